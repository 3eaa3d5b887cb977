#include "tools/cli/bundle.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace promptcache {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return number_; }
  bool ok() const { return number_ >= 0; }

 private:
  int number_;
};

// The kernel resolves the whole path and refuses each step that leaves the folder, so that nothing
// can be exchanged between a check and the opening. O_NONBLOCK: a pipe must not hold us up.
Descriptor OpenBelow(int folder, const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return Descriptor(
      static_cast<int>(::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof(how))));
}

Status WhyNotOpened(int error) {
  if (error == ENOENT) return NotFound("there is no such file");
  if (error == EXDEV) return InvalidArgument("it leads out of the schema's folder");
  if (error == ENOSYS) {
    return Unavailable("this system cannot open files below a folder only (openat2, Linux 5.6)");
  }
  return Unavailable(std::strerror(error));
}

Result<std::string> ReadAll(int file, uint64_t max_bytes) {
  std::string text;
  char block[64 << 10];
  for (;;) {
    const ssize_t got = ::read(file, block, sizeof(block));
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Unavailable(std::strerror(errno));
    text.append(block, static_cast<size_t>(got));
    if (text.size() > max_bytes) {
      return InvalidArgument("it is larger than " + std::to_string(max_bytes) + " bytes");
    }
  }
}

}  // namespace

Result<std::string> ReadBelow(const std::string& folder, const std::string& path,
                              uint64_t max_bytes) {
  const Descriptor base(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!base.ok()) return Unavailable("cannot open " + folder + ": " + std::strerror(errno));
  const Descriptor file = OpenBelow(base.get(), path);
  if (!file.ok()) return WhyNotOpened(errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return Unavailable(std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return InvalidArgument("it is not a regular file");
  return ReadAll(file.get(), max_bytes);
}

std::vector<SourceFile> ReadSources(const SchemaDocument& document, const std::string& folder,
                                    const PmlLimits& limits, Diagnostics& diagnostics) {
  std::vector<SourceFile> files;
  for (const std::string& path : SourcePaths(document)) {
    Result<std::string> text = ReadBelow(folder, path, limits.document_bytes);
    if (text.ok()) {
      files.push_back({path, *std::move(text)});
    } else {
      ReportSource(document, path, text.status().message(), diagnostics);
    }
  }
  return files;
}

}  // namespace promptcache
