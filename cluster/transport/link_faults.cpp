#include "cluster/transport/link_faults.h"

namespace promptcache {

void AddLinkFaults(std::span<const PeerCounters> tables, MetricSeries& series) {
  const auto add = [&](std::string_view fault, uint64_t PeerCounters::*counter) {
    uint64_t sum = 0;
    for (const PeerCounters& table : tables) sum += table.*counter;
    series.Add(fault, static_cast<double>(sum));
  };
  add("bad_message", &PeerCounters::bad_messages);
  add("stranger", &PeerCounters::strangers);
  add("refused", &PeerCounters::refused);
  add("expired", &PeerCounters::expired);
  add("impostor", &PeerCounters::impostors);
  add("forbidden", &PeerCounters::forbidden);
  add("revoked", &PeerCounters::revoked);
}

}  // namespace promptcache
