#include "cachestore/service/store_metrics.h"

#include "cluster/transport/link_faults.h"

namespace promptcache {
namespace {

using enum MetricKind;

template <auto kMember>
void Read(const auto& counters, MetricSeries& series) {
  series.Add(static_cast<double>(counters.*kMember));
}

constexpr MetricRow<StoreStats> kTable[] = {
    {{"promptcache_store_gets_total", kCounter, "", "Units that were asked for."},
     Read<&StoreStats::gets>},
    {{"promptcache_store_hits_total", kCounter, "", "Units that were asked for and were there."},
     Read<&StoreStats::hits>},
    {{"promptcache_store_puts_total", kCounter, "", "Units that were stored."},
     Read<&StoreStats::puts>},
    {{"promptcache_store_units", kGauge, "", "Units that are stored."}, Read<&StoreStats::blobs>},
    {{"promptcache_store_bytes", kGauge, "", "Bytes of stored units."}, Read<&StoreStats::bytes>},
    {{"promptcache_store_quota_bytes", kGauge, "",
      "How many bytes there may be; 0: as many as the disk has."},
     Read<&StoreStats::quota_bytes>},
    {{"promptcache_store_pinned_bytes", kGauge, "", "Bytes of units that are pinned."},
     Read<&StoreStats::pinned_bytes>},
    {{"promptcache_store_pin_quota_bytes", kGauge, "", "How many bytes may be pinned."},
     Read<&StoreStats::pin_quota_bytes>},
    {{"promptcache_store_free_bytes", kGauge, "", "Free bytes of the disk."},
     Read<&StoreStats::free_bytes>},
    {{"promptcache_store_payload_bytes_total", kCounter, "", "Bytes of units that were stored."},
     Read<&StoreStats::payload_bytes>},
    {{"promptcache_store_written_bytes_total", kCounter, "",
      "Bytes written to the disk for units: themselves, tables, logs, rewriting."},
     Read<&StoreStats::written_bytes>},
    {{"promptcache_store_evictions_total", kCounter, "", "Units that made room for others."},
     Read<&StoreStats::evictions>},
    {{"promptcache_store_expirations_total", kCounter, "", "Units whose time was up."},
     Read<&StoreStats::expirations>},
    {{"promptcache_store_refused_pins_total", kCounter, "", "Pins over the pin quota."},
     Read<&StoreStats::refused_pins>},
    {{"promptcache_store_corruptions_total", kCounter, "",
      "Units that were dropped because their bytes are damaged."},
     Read<&StoreStats::corruptions>},
    {{"promptcache_store_read_only", kGauge, "",
      "1 while nothing can be written; /readyz says why."},
     [](const StoreStats& stats, MetricSeries& series) {
       series.Add(stats.read_only.empty() ? 0 : 1);
     }},
    {{"promptcache_store_lock_wait_seconds_total", kCounter, "",
      "Time that threads waited for the table of units."},
     [](const StoreStats& stats, MetricSeries& series) {
       series.Add(static_cast<double>(stats.lock_wait_us) / 1e6);
     }},
};

constexpr MetricRow<StreamCounters> kStreamTable[] = {
    {{"promptcache_store_streams", kGauge, "", "Connections beside the links that serve units."},
     Read<&StreamCounters::open>},
    {{"promptcache_store_stream_bytes_total", kCounter, "", "Bytes of units that they sent."},
     Read<&StreamCounters::sent_bytes>},
    {{"promptcache_store_streams_refused_total", kCounter, "",
      "Such connections that were one too many; their readers get messages."},
     Read<&StreamCounters::refused>},
};

constexpr MetricRow<PeerCounters> kLinkTable[] = {
    {{"promptcache_store_link_faults_total", kCounter, "fault",
      "Links of workers, coordinators and admins that ended, or were not made, by fault: "
      "bad_message, stranger (no greeting), refused, expired (silent), impostor, forbidden "
      "(message of another role), revoked."},
     [](const PeerCounters& links, MetricSeries& series) {
       AddLinkFaults({&links, 1}, series);
     }},
};

}  // namespace

void AddStoreMetrics(const StoreStats& stats, Metrics& metrics) {
  ReadMetrics(kTable, stats, metrics);
}

void AddStoreStreamMetrics(const StreamCounters& streams, Metrics& metrics) {
  ReadMetrics(kStreamTable, streams, metrics);
}

void AddStoreLinkMetrics(const PeerCounters& links, Metrics& metrics) {
  ReadMetrics(kLinkTable, links, metrics);
}

}  // namespace promptcache
