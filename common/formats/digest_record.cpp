#include "common/formats/digest_record.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "common/hash.h"

namespace promptcache {
namespace {

constexpr size_t kHashedAtOnce = 16 << 20;
constexpr int64_t kSettledNs = 2'000'000'000;  // the coarsest clock of a file system
constexpr size_t kDigestDigits = 64, kCheckDigits = 16;
constexpr std::string_view kCheckLine = "check ";

std::string HexOf(std::span<const uint8_t> bytes) {
  return Blake2b().AddBytes(bytes).Finish().ToHex();
}

std::string Head(const FileStamp& stamp) {
  return fmt::format(
      "promptcache-digest 1\nsize {}\nmodified_ns {}\nchanged_ns {}\nfile {} {}\nblake2b-256 ",
      stamp.size, stamp.modified_ns, stamp.changed_ns, stamp.device, stamp.inode);
}

// Whether `record`, an open file, may speak for the file at `path`.
bool IsTrusted(int record, const std::string& path) {
  struct stat info {
  }, about{};
  if (::fstat(record, &info) != 0 || ::stat(path.c_str(), &about) != 0) return false;
  const bool owned = info.st_uid == ::geteuid() || info.st_uid == 0 || info.st_uid == about.st_uid;
  return S_ISREG(info.st_mode) && owned;
}

// At most `limit` bytes of the record.
std::string ReadTrusted(const std::string& path, size_t limit) {
  // A record that is a link or a pipe is none of ours.
  const int file =
      ::open(DigestRecordPath(path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (file < 0) return "";
  std::string text(limit, '\0');
  const ssize_t size = IsTrusted(file, path) ? ::read(file, text.data(), limit) : 0;
  ::close(file);
  text.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return text;
}

std::string Hash(const MappedFile& file, const std::function<void(uint64_t done)>& progress) {
  Blake2b hash;
  for (size_t done = 0; done < file.bytes().size();) {
    const size_t count = std::min(kHashedAtOnce, file.bytes().size() - done);
    hash.AddBytes(file.bytes().subspan(done, count));
    done += count;
    if (progress) progress(done);
  }
  return hash.Finish().ToHex();
}

Status CheckUnchanged(const MappedFile& file) {
  PC_ASSIGN_OR_RETURN(const FileStamp now, StampOf(file.path()));
  if (now == file.stamp()) return {};
  return Unavailable(file.path() + " was changed or replaced while it was read; try again");
}

}  // namespace

std::string DigestRecordPath(const std::string& path) { return path + ".promptcache-digest"; }

std::string DigestRecordText(const FileStamp& stamp, const std::string& digest) {
  std::string text = Head(stamp) + digest + "\n";
  const std::string check = HexOf({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  return text.append(kCheckLine).append(check, 0, kCheckDigits).append("\n");
}

std::optional<std::string> ReadDigestRecord(const std::string& path, const FileStamp& stamp) {
  const std::string expected = DigestRecordText(stamp, std::string(kDigestDigits, '0'));
  const std::string text = ReadTrusted(path, expected.size() + 1);
  if (text.size() != expected.size()) return std::nullopt;
  const std::string digest = text.substr(Head(stamp).size(), kDigestDigits);
  if (!Digest256::FromHex(digest).ok() || text != DigestRecordText(stamp, digest)) {
    return std::nullopt;
  }
  return digest;
}

void WriteDigestRecord(const std::string& path, const FileStamp& stamp, const std::string& digest) {
  const std::string record = DigestRecordPath(path);
  std::string temporary = record + ".XXXXXX";
  const int file = ::mkstemp(temporary.data());
  if (file < 0) return;
  const std::string text = DigestRecordText(stamp, digest);
  bool written = ::fchmod(file, 0644) == 0 &&
                 ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  written = ::close(file) == 0 && written;
  if (!written || std::rename(temporary.c_str(), record.c_str()) != 0) {
    ::unlink(temporary.c_str());
  }
}

Result<std::string> FileDigest(const MappedFile& file, DigestSource source, int64_t now_ns,
                               const std::function<void(uint64_t done)>& progress) {
  PC_RETURN_IF_ERROR(CheckUnchanged(file));
  if (source == DigestSource::kCached) {
    if (auto digest = ReadDigestRecord(file.path(), file.stamp())) return *std::move(digest);
  }
  const std::string digest = Hash(file, progress);
  PC_RETURN_IF_ERROR(CheckUnchanged(file));
  if (now_ns - file.stamp().changed_ns >= kSettledNs) {
    WriteDigestRecord(file.path(), file.stamp(), digest);
  }
  return digest;
}

}  // namespace promptcache
