#include "common/metrics/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

namespace promptcache {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kMaxConnections = 256;
constexpr uint32_t kHeaderBytes = 8 << 10;
constexpr std::chrono::seconds kPatience{2};  // for a request, and for its answer
constexpr std::chrono::milliseconds kPause{100};
constexpr size_t kAskingThreads = 2;

// One connection. Lives as long as something is to come of it; then calls `ended`. Its own methods
// run on the thread of the io_context.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, asio::thread_pool& asking, const HttpServer::Handler& handler,
          std::function<void()> ended)
      : stream_(std::move(socket)), asking_(asking), handler_(handler), ended_(std::move(ended)) {
    request_.header_limit(kHeaderBytes);
  }
  ~Session() { ended_(); }

  void Read() {
    stream_.expires_after(kPatience);
    http::async_read_header(stream_, buffer_, request_,
                            [self = shared_from_this()](error_code error, size_t /*bytes*/) {
                              if (!error) self->Ask();
                            });
  }

 private:
  void Ask() {
    stream_.expires_never();
    const http::verb method = request_.get().method();
    if (method != http::verb::get && method != http::verb::head) {
      return Write({405, "text/plain", "only GET and HEAD\n"});
    }
    const auto target = request_.get().target();
    const std::string path(target.substr(0, target.find('?')));
    asio::post(asking_, [self = shared_from_this(), path]() mutable {
      const HttpReply reply = self->handler_(path);
      const auto back = self->stream_.get_executor();
      // Not left here: its end is for the other thread.
      asio::post(back, [self = std::move(self), reply] { self->Write(reply); });
    });
  }

  void Write(const HttpReply& reply) {
    stream_.expires_after(kPatience);
    response_.result(reply.status);
    response_.set(http::field::content_type, reply.content_type);
    response_.set(http::field::cache_control, "no-store");
    response_.keep_alive(false);
    response_.body() = reply.body;
    response_.prepare_payload();
    writer_.emplace(response_);
    const auto written = [self = shared_from_this()](error_code /*error*/, size_t /*bytes*/) {
      error_code ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    };
    if (request_.get().method() == http::verb::head) {
      http::async_write_header(stream_, *writer_, written);
    } else {
      http::async_write(stream_, *writer_, written);
    }
  }

  boost::beast::tcp_stream stream_;
  asio::thread_pool& asking_;
  const HttpServer::Handler& handler_;
  const std::function<void()> ended_;
  boost::beast::flat_buffer buffer_{2 * kHeaderBytes};
  http::request_parser<http::empty_body> request_;
  http::response<http::string_body> response_;
  std::optional<http::response_serializer<http::string_body>> writer_;
};

class BeastServer : public HttpServer {
 public:
  explicit BeastServer(Handler handler) : handler_(std::move(handler)) {}

  ~BeastServer() override {
    asking_.join();
    asio::post(io_, [this] { io_.stop(); });  // behind what was answered
    if (thread_.joinable()) thread_.join();
  }

  Status Listen(const std::string& address, uint16_t port) {
    try {
      const tcp::endpoint endpoint(asio::ip::make_address(address), port);
      acceptor_.open(endpoint.protocol());
      acceptor_.set_option(tcp::acceptor::reuse_address(true));
      acceptor_.bind(endpoint);
      acceptor_.listen();
      port_ = acceptor_.local_endpoint().port();
    } catch (const boost::system::system_error& error) {
      return Unavailable("cannot listen on " + address + ":" + std::to_string(port) + ": " +
                         error.code().message());
    }
    Accept();
    thread_ = std::thread([this] { io_.run(); });
    return {};
  }

  uint16_t port() const override { return port_; }

 private:
  void Accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (error) return AcceptLater();
      Begin(std::move(socket));
      if (connections_ < kMaxConnections) Accept();
    });
  }

  // Without file descriptors there is no use in trying at once.
  void AcceptLater() {
    pause_.expires_after(kPause);
    pause_.async_wait([this](error_code /*error*/) { Accept(); });
  }

  void Begin(tcp::socket socket) {
    ++connections_;
    std::make_shared<Session>(std::move(socket), asking_, handler_, [this] {
      if (connections_-- == kMaxConnections && !io_.stopped()) Accept();
    })->Read();
  }

  const Handler handler_;
  uint16_t port_ = 0;
  size_t connections_ = 0;  // the thread's
  asio::io_context io_{1};
  tcp::acceptor acceptor_{io_};
  asio::steady_timer pause_{io_};
  asio::thread_pool asking_{kAskingThreads};  // may own connections to the end
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address, uint16_t port,
                                                      Handler handler) {
  auto server = std::make_unique<BeastServer>(std::move(handler));
  PC_RETURN_IF_ERROR(server->Listen(address, port));
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace promptcache
