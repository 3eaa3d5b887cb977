#include "tools/chaos/link_proxies.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "common/clock.h"
#include "common/file_descriptor.h"

namespace promptcache::chaos {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMaxWaiting = 256 << 10;
constexpr size_t kReadBytes = 32 << 10;
constexpr milliseconds kSlowDelay{100};
constexpr double kSlowBytesPerMs = 512.0 * 1024 / 1000;
constexpr int kBacklog = 128;

sockaddr_in SystemAddress(const TcpAddress& address) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(address.port);
  ::inet_pton(AF_INET, address.host.c_str(), &out.sin_addr);
  return out;
}

void SendAtOnce(const FileDescriptor& socket) {
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

FileDescriptor OpenSocket() {
  return FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

Result<FileDescriptor> ListenOn(const TcpAddress& address) {
  FileDescriptor socket = OpenSocket();
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const sockaddr_in to = SystemAddress(address);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    return Unavailable("cannot listen on " + address.endpoint() + ": " + std::strerror(errno));
  }
  return socket;
}

// Bytes on their way from one side to the other.
class Direction {
 public:
  bool has_room() const { return waiting_ < kMaxWaiting; }
  // When the first bytes may be written; none wait: never.
  SteadyTime due() const { return pieces_.empty() ? SteadyTime::max() : pieces_.front().due; }
  bool ended() const { return ended_ && pieces_.empty(); }

  // Reads what `from` has. False when the connection is broken.
  bool Read(int from, LinkMode mode, SteadyTime now) {
    std::string bytes(kReadBytes, '\0');
    const ssize_t count = ::recv(from, bytes.data(), bytes.size(), 0);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) {
      ended_ = true;
      return true;
    }
    bytes.resize(static_cast<size_t>(count));
    waiting_ += bytes.size();
    SteadyTime due = now;
    if (mode == LinkMode::kSlow) {
      free_at_ = std::max(free_at_, now) +
                 milliseconds(static_cast<int64_t>(static_cast<double>(count) / kSlowBytesPerMs));
      due = free_at_ + kSlowDelay;
    }
    if (!pieces_.empty()) due = std::max(due, pieces_.back().due);
    pieces_.push_back({due, std::move(bytes)});
    return true;
  }

  // Writes what is due. False when the connection is broken.
  bool Write(int to, SteadyTime now) {
    while (due() <= now) {
      Piece& piece = pieces_.front();
      const size_t left = piece.bytes.size() - piece.written;
      const ssize_t count = ::send(to, piece.bytes.data() + piece.written, left, MSG_NOSIGNAL);
      if (count < 0) return errno == EAGAIN || errno == EINTR;
      piece.written += static_cast<size_t>(count);
      waiting_ -= static_cast<size_t>(count);
      if (piece.written < piece.bytes.size()) return true;
      pieces_.pop_front();
    }
    return true;
  }

  bool ended_reading() const { return ended_; }

 private:
  struct Piece {
    SteadyTime due;
    std::string bytes;
    size_t written = 0;
  };
  std::deque<Piece> pieces_;
  size_t waiting_ = 0;
  SteadyTime free_at_;
  bool ended_ = false;
};

// Two connections that are one for those at their ends.
struct Pair {
  std::array<FileDescriptor, 2> sides;
  std::array<Direction, 2> from;  // what was read from each side
  std::array<size_t, 2> polled{};

  bool Move(SteadyTime now, LinkMode mode, const std::array<bool, 2>& readable) {
    for (const size_t side : {0, 1}) {
      const int fd = sides[side].get();
      if (readable[side] && !from[side].Read(fd, mode, now)) return false;
      if (!from[side].Write(sides[1 - side].get(), now)) return false;
      if (from[side].ended()) return false;
    }
    return true;
  }
};

struct Link {
  ProxiedLink setup;
  FileDescriptor listener;
  LinkMode mode = LinkMode::kWhole;
  size_t polled = 0;
  std::list<Pair> pairs;
};

class Proxies : public LinkProxies {
 public:
  explicit Proxies(std::map<std::string, Link> links)
      : links_(std::move(links)),
        wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        thread_([this](const std::stop_token& stop) { Run(stop); }) {}

  ~Proxies() override {
    thread_.request_stop();
    Wake();
  }

  void Set(const std::string& link, LinkMode mode) override {
    {
      const std::lock_guard lock(mutex_);
      links_.at(link).mode = mode;
    }
    Wake();
  }

 private:
  void Wake() {
    const uint64_t one = 1;
    (void)::write(wake_.get(), &one, sizeof(one));
  }

  void Run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      int timeout = -1;
      {
        const std::lock_guard lock(mutex_);
        timeout = Prepare();
      }
      ::poll(polled_.data(), polled_.size(), timeout);
      uint64_t woken = 0;
      (void)::read(wake_.get(), &woken, sizeof(woken));
      const std::lock_guard lock(mutex_);
      for (auto& [name, link] : links_) Serve(link);
    }
  }

  size_t Poll(int fd, short events) {
    // What nothing is wanted of is left out: poll tells of ends unasked, again and again.
    polled_.push_back({.fd = events == 0 ? -1 : fd, .events = events});
    return polled_.size() - 1;
  }

  // What to wait for, and for how long: ms, -1: forever.
  int Prepare() {
    polled_.clear();
    Poll(wake_.get(), POLLIN);
    const SteadyTime now = SystemClock().Now();
    SteadyTime next = SteadyTime::max();
    for (auto& [name, link] : links_) {
      const bool carries = link.mode != LinkMode::kPartitioned;
      link.polled = Poll(link.listener.get(), carries ? POLLIN : 0);
      for (Pair& pair : link.pairs) {
        for (const size_t side : {0, 1}) {
          const Direction& in = pair.from[side];
          const Direction& out = pair.from[1 - side];
          short events = 0;
          if (carries && in.has_room() && !in.ended_reading()) events |= POLLIN;
          if (carries && out.due() <= now) events |= POLLOUT;
          if (carries && out.due() > now) next = std::min(next, out.due());
          pair.polled[side] = Poll(pair.sides[side].get(), events);
        }
      }
    }
    if (next == SteadyTime::max()) return -1;
    return 1 + static_cast<int>(MillisecondsBetween(now, next));
  }

  bool Ready(size_t polled, short events) const {
    return polled != 0 && (polled_[polled].revents & events) != 0;
  }

  void Serve(Link& link) {
    if (link.mode == LinkMode::kPartitioned) return;
    const SteadyTime now = SystemClock().Now();
    for (auto pair = link.pairs.begin(); pair != link.pairs.end();) {
      const std::array<bool, 2> readable = {Readable(*pair, 0), Readable(*pair, 1)};
      const bool goes_on = link.mode != LinkMode::kCut && pair->Move(now, link.mode, readable);
      pair = goes_on ? std::next(pair) : link.pairs.erase(pair);
    }
    if (Ready(link.polled, POLLIN)) Accept(link);
  }

  bool Readable(const Pair& pair, size_t side) const {
    return Ready(pair.polled[side], POLLIN | POLLERR | POLLHUP) &&
           (polled_[pair.polled[side]].events & POLLIN) != 0;
  }

  void Accept(Link& link) {
    FileDescriptor from(
        ::accept4(link.listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!from.open() || link.mode == LinkMode::kCut) return;
    FileDescriptor to = OpenSocket();
    const sockaddr_in target = SystemAddress(link.setup.target);
    const int connected =
        ::connect(to.get(), reinterpret_cast<const sockaddr*>(&target), sizeof(target));
    if (connected != 0 && errno != EINPROGRESS) return;
    SendAtOnce(from);
    SendAtOnce(to);
    Pair& pair = link.pairs.emplace_back();
    pair.sides = {std::move(from), std::move(to)};
  }

  std::mutex mutex_;
  std::map<std::string, Link> links_;
  std::vector<pollfd> polled_;  // of the thread
  const FileDescriptor wake_;
  std::jthread thread_;  // last: it ends before what it uses
};

}  // namespace

Result<std::unique_ptr<LinkProxies>> LinkProxies::Start(const std::vector<ProxiedLink>& links) {
  std::map<std::string, Link> opened;
  for (const ProxiedLink& setup : links) {
    PC_ASSIGN_OR_RETURN(FileDescriptor listener, ListenOn(setup.listens));
    Link& link = opened[setup.name];
    link.setup = setup;
    link.listener = std::move(listener);
  }
  return std::unique_ptr<LinkProxies>(std::make_unique<Proxies>(std::move(opened)));
}

}  // namespace promptcache::chaos
