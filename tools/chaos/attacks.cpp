#include "tools/chaos/attacks.h"

#include <chrono>

#include "cluster/wire/codec.h"
#include "common/ids.h"

namespace promptcache::chaos {
namespace {

constexpr std::chrono::milliseconds kBetweenRounds{1};
constexpr size_t kGarbageBytes = 4'096;
constexpr uint64_t kFourGiB = uint64_t{4} << 30;
constexpr uint64_t kOverEveryLimit = uint64_t{300} << 20;

std::string Garbage(size_t size, Dice& dice) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(dice.Next());
  return bytes;
}

Envelope Greeting() { return {.body = Hello{.name = "attacker"}}; }

// Anything at all; half of it begins as the protocol does.
void SendGarbage(const TcpAddress& port, Dice& dice) {
  std::string bytes = Garbage(kGarbageBytes, dice);
  if (dice.OneIn(2)) bytes.replace(0, 11, std::string("\xff\0\0\0\0\0\0\0\1\x7f\3", 11));
  RawPeer peer(port);
  peer.SendRaw(bytes);
  peer.Leave();
}

// Messages that are none, from somebody who has shaken hands.
void SendBadMessages(const TcpAddress& port, Dice& dice) {
  RawPeer peer(port);
  peer.Greet();
  peer.AwaitGreeting();
  for (int i = 0; i < 8; ++i) peer.SendMessage(Garbage(16 + dice.Below(512), dice));
  peer.Hear();  // who leaves at once is not listened to
  peer.Leave();
}

// A message that has been changed on the way, behind a greeting that has not.
void SendDamagedMessages(const TcpAddress& port, Dice& dice) {
  RawPeer peer(port);
  peer.Greet();
  peer.AwaitGreeting();
  peer.SendMessage(Greeting());
  peer.Hear();
  std::vector<uint8_t> bytes = EncodeEnvelope(
      {.request_id = RequestId::Random(), .body = Submit{.prompt = std::string(200, 'x')}});
  bytes[dice.Below(bytes.size())] ^= static_cast<uint8_t>(1 + dice.Below(255));
  bytes.resize(1 + dice.Below(bytes.size()));
  peer.SendMessage(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  peer.Hear();
  peer.Leave();
}

// Frames that end before they should.
void TruncateFrames(const TcpAddress& port, Dice& dice) {
  RawPeer peer(port);
  peer.Greet();
  peer.AwaitGreeting();
  peer.SendFrame(Garbage(dice.Below(500), dice), 1'000);
  peer.Leave();
}

void AnnounceTooMuch(const TcpAddress& port, Dice& dice) {
  RawPeer peer(port);
  peer.Greet();
  peer.AwaitGreeting();
  peer.SendFrame(Garbage(kGarbageBytes, dice), dice.OneIn(2) ? kFourGiB : kOverEveryLimit);
  peer.Leave();
}

// Asks without having said who it is.
void AskAsStranger(const TcpAddress& port, Dice&) {
  RawPeer peer(port);
  peer.Greet();
  peer.AwaitGreeting();
  peer.SendMessage({.request_id = RequestId::Random(), .body = Submit{.prompt = "<prompt/>"}});
  peer.Hear();
  peer.Leave();
}

// Begins a handshake byte by byte and never ends it.
void ShakeHandsSlowly(const TcpAddress& port, Dice& dice) {
  RawPeer peer(port);
  const std::string begin("\xff\0\0\0\0\0\0\0\1\x7f\3", 11);
  for (size_t i = 0; i < dice.Below(begin.size()); ++i) peer.SendRaw(begin.substr(i, 1));
  peer.Leave();
}

}  // namespace

const std::vector<Attack>& Attacks() {
  static const std::vector<Attack> attacks = {{"garbage", SendGarbage},
                                              {"bad messages", SendBadMessages},
                                              {"damaged messages", SendDamagedMessages},
                                              {"truncated frames", TruncateFrames},
                                              {"oversized frames", AnnounceTooMuch},
                                              {"strangers", AskAsStranger},
                                              {"slow handshakes", ShakeHandsSlowly}};
  return attacks;
}

Attacker::Attacker(const Attack& attack, std::vector<TcpAddress> ports, uint64_t seed)
    : thread_([this, &attack, ports = std::move(ports), seed](const std::stop_token& stop) {
        Dice dice(seed);
        while (!stop.stop_requested()) {
          attack.strike(ports[dice.Below(ports.size())], dice);
          ++rounds_;
          std::this_thread::sleep_for(kBetweenRounds);
        }
      }) {}

IdleCrowd::IdleCrowd(const TcpAddress& port, size_t count, IdleStage stage) {
  peers_.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    RawPeer peer(port);
    if (!peer.connected()) return;
    if (stage != IdleStage::kConnected) peer.Greet();
    if (stage == IdleStage::kGreeted) peer.SendMessage(Greeting());
    peers_.push_back(std::move(peer));
  }
}

}  // namespace promptcache::chaos
