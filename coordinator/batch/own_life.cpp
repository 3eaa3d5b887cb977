#include "coordinator/batch/own_life.h"

#include <utility>

#include "coordinator/batch/batch_records.h"

namespace promptcache {

void OwnLife::Show(const std::vector<BatchInfo>& progress, const Done& done) {
  waiting_.push_back(done);
  if (waiting_.size() > 1) return;
  meta_.Swap({.key = BatchLifeKey(id_), .expected = revision_, .value = EncodeBatchLife(progress)},
             [this](const Result<MetaClient::Records>& written) {
               if (written.status().code() == Code::kFailedPrecondition) {
                 return LookForRecord(written.status());
               }
               if (written.ok()) revision_ = RevisionIn(*written);
               Shown(written.status());
             });
}

// An earlier one may have been written without an answer; or others took this one for dead.
void OwnLife::LookForRecord(const Status& why) {
  meta_.Get(BatchLifeKey(id_), [this, why](const Result<MetaClient::Records>& found) {
    if (!found.ok()) return Shown(found.status());
    if (found->empty()) {
      BeginAnew();
    } else {
      revision_ = found->front().revision;
    }
    Shown(why);
  });
}

void OwnLife::End() {
  if (!is_shown()) return;
  meta_.Swap({.key = BatchLifeKey(id_), .expected = revision_, .remove = true},
             [](const Result<MetaClient::Records>& /*removed*/) {});  // else others will
  BeginAnew();
}

void OwnLife::BeginAnew() {
  id_ = RequestId::Random();
  revision_ = 0;
}

void OwnLife::Shown(const Status& status) {
  for (const Done& done : std::exchange(waiting_, {})) done(status);
}

}  // namespace promptcache
