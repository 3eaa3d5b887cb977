#include "tools/chaos/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace promptcache::chaos {
namespace {

namespace fs = std::filesystem;

constexpr char kSmallDisk[] = "size=96m,mode=0700";
constexpr char kBallast[] = "ballast";
constexpr char kNamespaceDirectory[] = "/run/netns";  // of `ip netns`
constexpr char kIp[] = "/usr/sbin/ip";
constexpr char kTc[] = "/usr/sbin/tc";
constexpr char kSlow[] = "netem delay 100ms 30ms loss 1% rate 4mbit";

Status NotPermitted(const std::string& what) {
  return FailedPrecondition(what + ": " + std::strerror(errno));
}

// Runs a command whose words need no quotes. kFailedPrecondition with what it said.
Status Run(const std::string& command) {
  FILE* const pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return NotPermitted(command);
  std::string output;
  std::array<char, 256> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output += buffer.data();
  if (::pclose(pipe) == 0) return {};
  while (!output.empty() && output.back() == '\n') output.pop_back();
  return FailedPrecondition(command + ": " + output);
}

}  // namespace

Status EnterSandbox(NetworkUse use) {
  const bool own_network = use == NetworkUse::kNamespaces;
  if (::unshare(CLONE_NEWNS | (own_network ? CLONE_NEWNET : 0)) != 0) {
    return NotPermitted("namespaces of its own");
  }
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return NotPermitted("private mounts");
  }
  return {};
}

Result<std::unique_ptr<SmallDisk>> SmallDisk::Mount(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (::mount("tmpfs", directory.c_str(), "tmpfs", 0, kSmallDisk) != 0) {
    return NotPermitted("mount a tmpfs");
  }
  return std::unique_ptr<SmallDisk>(new SmallDisk(directory));
}

SmallDisk::~SmallDisk() { ::umount2(directory_.c_str(), MNT_DETACH); }

void SmallDisk::Fill() {
  const std::string path = directory_ + "/" + kBallast;
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  for (size_t size = 1 << 20; size > 0;) {
    const std::string zeros(size, '\0');
    if (::write(file.get(), zeros.data(), size) <= 0) size /= 2;
  }
}

void SmallDisk::Free() {
  std::error_code ignored;
  fs::remove(directory_ + "/" + kBallast, ignored);
}

Result<std::unique_ptr<FalseClock>> FalseClock::Create(const std::string& library,
                                                       const std::string& file) {
  if (!fs::exists(library)) return NotFound("there is no " + library);
  FileDescriptor open(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!open.open()) return Unavailable("cannot write " + file + ": " + std::strerror(errno));
  std::unique_ptr<FalseClock> clock(new FalseClock(library, file, std::move(open)));
  clock->Set(0);
  return clock;
}

std::vector<std::string> FalseClock::prefix() const {
  return {"/usr/bin/env", "LD_PRELOAD=" + library_, "PROMPTCACHE_FALSE_CLOCK=" + file_};
}

void FalseClock::Set(int64_t seconds_off) {
  (void)::pwrite(open_.get(), &seconds_off, sizeof(seconds_off), 0);
}

Result<std::unique_ptr<Namespaces>> Namespaces::Create(const Topology& topology) {
  std::error_code ignored;
  fs::create_directories(kNamespaceDirectory, ignored);
  if (::mount("tmpfs", kNamespaceDirectory, "tmpfs", 0, nullptr) != 0) {
    return NotPermitted("mount a tmpfs");
  }
  const std::string host = topology.stores().front().host;
  const std::string network = host.substr(0, host.rfind('.'));
  for (const std::string& words :
       {std::string("link set lo up"), std::string("link add bridge type bridge"),
        "address add " + network + ".1/24 dev bridge", std::string("link set bridge up")}) {
    PC_RETURN_IF_ERROR(Run(std::string(kIp) + " " + words));
  }
  auto namespaces = std::make_unique<Namespaces>();
  for (const Node& node : topology.processes()) PC_RETURN_IF_ERROR(namespaces->AddNode(node));
  const std::string first = topology.stores().front().name;
  const std::string device = namespaces->DeviceOf(first);
  namespaces->slowness_ = Run(fmt::format("{} qdisc add dev {} root {}", kTc, device, kSlow));
  namespaces->Restore(first);
  return namespaces;
}

Status Namespaces::AddNode(const Node& node) {
  const std::string device = "to-" + std::to_string(devices_.size());
  devices_[node.name] = device;
  for (const std::string& words :
       {"netns add " + node.name,
        fmt::format("link add {} type veth peer name eth0 netns {}", device, node.name),
        fmt::format("link set {} master bridge up", device),
        fmt::format("-n {} address add {}/24 dev eth0", node.name, node.host),
        fmt::format("-n {} link set eth0 up", node.name),
        fmt::format("-n {} link set lo up", node.name)}) {
    PC_RETURN_IF_ERROR(Run(std::string(kIp) + " " + words));
  }
  return {};
}

std::string Namespaces::DeviceOf(const std::string& node) const { return devices_.at(node); }

std::vector<std::string> Namespaces::prefix(const std::string& node) const {
  return {kIp, "netns", "exec", node};
}

void Namespaces::Isolate(const std::string& node) {
  (void)Run(fmt::format("{} link set {} down", kIp, DeviceOf(node))).ok();
}

void Namespaces::SlowDown(const std::string& node) {
  (void)Run(fmt::format("{} qdisc add dev {} root {}", kTc, DeviceOf(node), kSlow)).ok();
}

void Namespaces::Restore(const std::string& node) {
  (void)Run(fmt::format("{} link set {} up", kIp, DeviceOf(node))).ok();
  (void)Run(fmt::format("{} qdisc del dev {} root", kTc, DeviceOf(node))).ok();
}

}  // namespace promptcache::chaos
