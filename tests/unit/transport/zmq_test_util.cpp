#include "tests/unit/transport/zmq_test_util.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <cstdlib>

namespace promptcache::testing {
namespace {

// Where nobody listens, what is done with it fails.
int ConnectTo(const std::string& endpoint) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto port = std::stoi(endpoint.substr(endpoint.rfind(':') + 1));
  address.sin_port = htons(static_cast<uint16_t>(port));
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  (void)!connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  return fd;
}

}  // namespace

TempDirectory::TempDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "promptcache-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

IdleConnection::IdleConnection(const std::string& endpoint) : fd_(ConnectTo(endpoint)) {}
IdleConnection::~IdleConnection() { close(fd_); }

void ThrowBytesAt(const std::string& endpoint, const std::string& bytes) {
  const int fd = ConnectTo(endpoint);
  (void)!send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  shutdown(fd, SHUT_WR);
  std::array<char, 4096> answer{};
  while (recv(fd, answer.data(), answer.size(), 0) > 0) {
  }
  close(fd);
}

RawDealer::RawDealer(const std::string& name)
    : context_(zmq_ctx_new()), socket_(zmq_socket(context_, ZMQ_DEALER)) {
  const int patience = static_cast<int>(std::chrono::milliseconds(kPatience).count());
  const int linger = 0;
  zmq_setsockopt(socket_, ZMQ_RCVTIMEO, &patience, sizeof(patience));
  zmq_setsockopt(socket_, ZMQ_LINGER, &linger, sizeof(linger));
  if (!name.empty()) zmq_setsockopt(socket_, ZMQ_ROUTING_ID, name.data(), name.size());
}

RawDealer::~RawDealer() {
  zmq_close(socket_);
  zmq_ctx_term(context_);
}

void RawDealer::Connect(const std::string& endpoint) { zmq_connect(socket_, endpoint.c_str()); }

void RawDealer::Send(std::initializer_list<std::string> frames) {
  size_t left = frames.size();
  for (const std::string& frame : frames) {
    zmq_send(socket_, frame.data(), frame.size(), --left > 0 ? ZMQ_SNDMORE : 0);
  }
}

int RawDealer::ConnectAndFill(const std::string& endpoint, const std::string& frame, int most) {
  const int one = 1;
  const int stuck_ms = 1'000;
  zmq_setsockopt(socket_, ZMQ_SNDHWM, &one, sizeof(one));
  zmq_setsockopt(socket_, ZMQ_SNDTIMEO, &stuck_ms, sizeof(stuck_ms));
  Connect(endpoint);
  int sent = 0;
  while (sent < most && zmq_send(socket_, frame.data(), frame.size(), 0) >= 0) ++sent;
  return sent;
}

std::string RawDealer::Receive() {
  std::array<char, 4096> buffer{};
  const int size = zmq_recv(socket_, buffer.data(), buffer.size(), 0);
  return size < 0 ? "(nothing came)" : std::string(buffer.data(), static_cast<size_t>(size));
}

}  // namespace promptcache::testing
