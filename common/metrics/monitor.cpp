#include "common/metrics/monitor.h"

#include <arpa/inet.h>

#include <charconv>
#include <utility>

#include "common/clock.h"
#include "common/metrics/exposition.h"
#include "common/metrics/http_server.h"
#include "common/metrics/process_metrics.h"

namespace promptcache {
namespace {

constexpr char kText[] = "text/plain; charset=utf-8";

struct ListenAddress {
  std::string host;  // without the brackets of IPv6
  uint16_t port = 0;
};

// Whether it is an IP address, and one that only this machine reaches.
enum class HostKind : uint8_t { kNone, kLoopback, kOther };

HostKind KindOf(const std::string& host) {
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    return ntohl(v4.s_addr) >> 24 == 127 ? HostKind::kLoopback : HostKind::kOther;
  }
  in6_addr v6{};
  if (::inet_pton(AF_INET6, host.c_str(), &v6) != 1) return HostKind::kNone;
  return IN6_IS_ADDR_LOOPBACK(&v6) ? HostKind::kLoopback : HostKind::kOther;
}

Result<ListenAddress> ParseListenAddress(const MonitorOptions& options) {
  const std::string& text = options.endpoint;
  const size_t colon = text.rfind(':');
  ListenAddress address{.host = text.substr(0, colon)};
  const bool in_brackets = address.host.starts_with('[') && address.host.ends_with(']');
  if (in_brackets) address.host = address.host.substr(1, address.host.size() - 2);
  const char* const end = text.data() + text.size();
  const char* const port = colon == std::string::npos ? end : text.data() + colon + 1;
  const auto parsed = std::from_chars(port, end, address.port);
  const bool is_v6 = address.host.find(':') != std::string::npos;
  const HostKind kind = is_v6 == in_brackets ? KindOf(address.host) : HostKind::kNone;
  if (kind == HostKind::kNone || port == end || parsed.ec != std::errc() || parsed.ptr != end) {
    return InvalidArgument("metrics_endpoint '" + text +
                           "' is not ADDRESS:PORT, such as 127.0.0.1:9420 or [::1]:0");
  }
  if (kind == HostKind::kOther && !options.allow_plaintext) {
    return InvalidArgument("metrics_endpoint '" + text +
                           "' leads beyond loopback, where everybody may read it; allow that with "
                           "security.allow_plaintext");
  }
  return address;
}

class MonitorImpl : public Monitor {
 public:
  MonitorImpl(const MonitorOptions& options, MonitoredProcess process)
      : patience_(options.patience),
        elsewhere_(std::move(process.elsewhere)),
        reader_(std::move(process.post), std::move(process.on_reactor)) {}

  ~MonitorImpl() override {
    reader_.Close();
    server_.reset();
  }

  Status Listen(const ListenAddress& address) {
    PC_ASSIGN_OR_RETURN(server_,
                        HttpServer::Start(address.host, address.port,
                                          [this](std::string_view path) { return Answer(path); }));
    const bool is_v6 = address.host.find(':') != std::string::npos;
    endpoint_ =
        (is_v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(server_->port());
    return {};
  }

  const std::string& endpoint() const override { return endpoint_; }

 private:
  static HttpReply Unready(const Status& why) { return {503, kText, why.message() + "\n"}; }

  HttpReply Answer(std::string_view path) {
    if (path != "/metrics" && path != "/livez" && path != "/readyz") {
      return {404, kText, "there are /metrics, /livez and /readyz\n"};
    }
    Result<ProcessReport> read = reader_.Read(patience_);
    if (!read.ok()) return Unready(read.status());
    if (path == "/livez") return {200, kText, "live\n"};
    ProcessReport report = *std::move(read);
    if (elsewhere_) elsewhere_(report);
    if (path == "/readyz") {
      return report.ready.ok() ? HttpReply{200, kText, "ready\n"} : Unready(report.ready);
    }
    AddProcessMetrics(started_, report.metrics);
    return {200, kExpositionType, ExpositionText(report.metrics)};
  }

  const double started_ = static_cast<double>(SystemClock().UnixMillis()) / 1000;
  const std::chrono::milliseconds patience_;
  const ReactorReader::Fill elsewhere_;
  ReactorReader reader_;
  std::string endpoint_;
  std::unique_ptr<HttpServer> server_;  // last: its threads use the rest
};

}  // namespace

Status CheckMonitorOptions(const MonitorOptions& options) {
  return ParseListenAddress(options).status();
}

Result<std::unique_ptr<Monitor>> Monitor::Start(const MonitorOptions& options,
                                                MonitoredProcess process) {
  PC_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(options));
  auto monitor = std::make_unique<MonitorImpl>(options, std::move(process));
  PC_RETURN_IF_ERROR(monitor->Listen(address));
  return std::unique_ptr<Monitor>(std::move(monitor));
}

}  // namespace promptcache
