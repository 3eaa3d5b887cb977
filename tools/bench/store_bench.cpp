#include "tools/bench/store_bench.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "cachestore/disk/open.h"
#include "cachestore/format/blob_io.h"
#include "cachestore/service/remote_store.h"
#include "cachestore/service/store_server.h"
#include "cluster/transport/zmq_transport.h"
#include "tools/bench/bare_tcp.h"
#include "tools/bench/cpu_time.h"
#include "tools/bench/store_samples.h"

namespace promptcache {
namespace {

constexpr uint64_t kMiB = 1 << 20;

double Seconds(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Adds a rate of `bytes` in the time that `work` takes.
template <typename Work>
Status Rate(Series& series, uint64_t bytes, const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  const Status status = work();
  series.samples.push_back(static_cast<double>(bytes) / Seconds(start));
  return status;
}

Status FileError(const std::string& what) { return Unavailable(what + " failed"); }

class File {
 public:
  File(const std::string& path, int flags) : file_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~File() {
    if (file_ >= 0) ::close(file_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // In pieces of a MiB, as the store's.
  template <typename Piece>
  Status ForEachPiece(uint64_t bytes, Piece piece) const {
    for (uint64_t at = 0; at < bytes; at += kMiB) {
      const uint64_t count = std::min(kMiB, bytes - at);
      if (piece(file_, at, count) != static_cast<ssize_t>(count)) return FileError("a file");
    }
    return {};
  }
  Status Sync() const { return ::fdatasync(file_) == 0 ? Status() : FileError("fdatasync"); }

 private:
  const int file_;
};

Status WriteFileSynced(const std::string& path, std::span<const uint8_t> bytes) {
  const File file(path, O_CREAT | O_WRONLY | O_TRUNC);
  PC_RETURN_IF_ERROR(file.ForEachPiece(bytes.size(), [&](int fd, uint64_t at, uint64_t count) {
    return ::write(fd, bytes.data() + at, count);
  }));
  return file.Sync();
}

Status ReadFileInto(const std::string& path, std::span<uint8_t> out) {
  return File(path, O_RDONLY).ForEachPiece(out.size(), [&](int fd, uint64_t at, uint64_t count) {
    return ::pread(fd, out.data() + at, count, static_cast<off_t>(at));
  });
}

Status ReadBlobInto(BlobStore& store, const UnitKey& key, std::span<uint8_t> out) {
  PC_ASSIGN_OR_RETURN(const auto reader, store.Open(key));
  return reader->Read(0, out);
}

Status ReadBlobPinned(BlobStore& store, const UnitKey& key) {
  PC_ASSIGN_OR_RETURN(const auto reader, store.Open(key));
  for (uint64_t at = 0; at < reader->size();) {
    PC_ASSIGN_OR_RETURN(const PinnedBytes part, reader->ReadPinned(at, kMiB));
    at += part.bytes.size();
  }
  return {};
}

Status PutWhole(BlobStore& store, const UnitKey& key, std::span<const uint8_t> bytes) {
  PC_ASSIGN_OR_RETURN(const auto writer, store.StartPut({.key = key, .bytes = bytes.size()}));
  PC_RETURN_IF_ERROR(writer->Append(bytes));
  return writer->Commit();
}

// The store behind a server, with a reactor thread at either end, as two processes have.
class Served {
 public:
  static Result<std::unique_ptr<Served>> Start(DiskStore& store) {
    auto served = std::make_unique<Served>();
    PC_ASSIGN_OR_RETURN(served->server_transport_, ZmqTransport::Create());
    PC_ASSIGN_OR_RETURN(served->client_transport_, ZmqTransport::Create());
    PC_ASSIGN_OR_RETURN(served->server_,
                        StoreServer::Create(*served->server_transport_,
                                            {.blobs = store.blobs(), .admin = store.admin()},
                                            {.endpoint = "tcp://127.0.0.1:*"}));
    served->server_reactor_ = std::jthread([raw = served.get()] { raw->server_transport_->Run(); });
    served->client_reactor_ = std::jthread([raw = served.get()] { raw->client_transport_->Run(); });
    return served;
  }
  ~Served() {
    if (client_transport_) client_transport_->Stop();
    if (server_transport_) server_transport_->Stop();
    if (client_reactor_.joinable()) client_reactor_.join();
    if (server_reactor_.joinable()) server_reactor_.join();
  }

  // To be destroyed before this.
  std::unique_ptr<RemoteStore> Connect(MemorySharing sharing, BlobStreams streams) {
    return RemoteStore::Create(*client_transport_, {.endpoint = server_->endpoint(),
                                                    .connect_timeout = std::chrono::seconds(5),
                                                    .memory_sharing = sharing,
                                                    .streams = streams});
  }

 private:
  std::unique_ptr<ZmqTransport> server_transport_;
  std::unique_ptr<ZmqTransport> client_transport_;
  std::unique_ptr<StoreServer> server_;
  std::jthread server_reactor_;
  std::jthread client_reactor_;
};

class Bench {
 public:
  Bench(const StoreBenchOptions& options, const StoreBenchProgress& progress)
      : options_(options), progress_(progress) {}

  Result<StoreBenchReport> Run() {
    report_.cpu = CpuName();
    PC_ASSIGN_OR_RETURN(store_, OpenDiskStore({.directory = Path("store")}));
    for (const uint64_t mib : options_.sizes_mib) PC_RETURN_IF_ERROR(MeasureSize(mib));
    PC_ASSIGN_OR_RETURN(const StoreStats stats, store_->blobs().Stats());
    report_.write_amplification =
        static_cast<double>(stats.written_bytes) / static_cast<double>(stats.payload_bytes);
    PC_RETURN_IF_ERROR(MeasureParallel());
    store_.reset();
    if (options_.layouts) {
      PC_ASSIGN_OR_RETURN(report_.layouts, TryLayouts({.directory = options_.directory}));
      progress_("tried other layouts");
    }
    if (options_.small_blobs > 0) PC_RETURN_IF_ERROR(MeasureMany());
    return std::move(report_);
  }

 private:
  std::string Path(const std::string& name) const { return options_.directory + "/" + name; }

  Status MeasureSize(uint64_t mib) {
    const auto count = static_cast<uint32_t>(std::max<uint64_t>(4, options_.total_mib / mib));
    StoreBenchSize size{.blobs = count};
    keys_.clear();
    std::vector<BenchBlob> blobs;
    for (uint32_t i = 0; i < count; ++i) {
      blobs.push_back(MakeBenchBlob(next_seed_++, mib * kMiB));
      keys_.push_back(blobs.back().key);
    }
    size.bytes = blobs.front().bytes.size();
    // One after the other, so that neither waits for what the other has left to the disk.
    for (uint32_t i = 0; i < count; ++i) {
      PC_RETURN_IF_ERROR(Rate(size.file_write, size.bytes, [&] {
        return WriteFileSynced(Path(std::to_string(i)), blobs[i].bytes);
      }));
    }
    for (const BenchBlob& blob : blobs) {
      PC_RETURN_IF_ERROR(Rate(size.store_put, size.bytes,
                              [&] { return PutWhole(store_->blobs(), blob.key, blob.bytes); }));
    }
    progress_("wrote " + std::to_string(count) + " blobs of " + std::to_string(mib) + " MiB");
    PC_RETURN_IF_ERROR(MeasureReads(size));
    report_.sizes.push_back(std::move(size));
    for (uint32_t i = 0; i < count; ++i) std::filesystem::remove(Path(std::to_string(i)));
    return {};
  }

  Status MeasureReads(StoreBenchSize& size) {
    PC_ASSIGN_OR_RETURN(const auto served, Served::Start(*store_));
    const auto stream = served->Connect(MemorySharing::kNever, BlobStreams::kWherePossible);
    const auto messages = served->Connect(MemorySharing::kNever, BlobStreams::kNever);
    const auto window = served->Connect(MemorySharing::kWherePossible, BlobStreams::kNever);
    PC_ASSIGN_OR_RETURN(const auto bare_tcp, BareTcp::Open());
    std::vector<uint8_t> buffer(size.bytes);
    using Read = std::function<Status(uint32_t)>;  // of the blob with this number
    const std::pair<Series*, Read> ways[] = {
        {&size.file_read,
         [&](uint32_t i) { return ReadFileInto(Path(std::to_string(i)), buffer); }},
        {&size.store_read,
         [&](uint32_t i) { return ReadBlobInto(store_->blobs(), keys_[i], buffer); }},
        {&size.store_pinned, [&](uint32_t i) { return ReadBlobPinned(store_->blobs(), keys_[i]); }},
        {&size.tcp_read, [&](uint32_t i) { return ReadBlobInto(*stream, keys_[i], buffer); }},
        {&size.message_read, [&](uint32_t i) { return ReadBlobInto(*messages, keys_[i], buffer); }},
        {&size.bare_tcp, [&](uint32_t) { return bare_tcp->Fetch(buffer); }},
        {&size.window_read, [&](uint32_t i) { return ReadBlobInto(*window, keys_[i], buffer); }}};
    const CpuTime before = CpuTimeNow();
    // The ways by turns, each over all blobs, as a worker reads them. The first round finds the
    // page cache and the buffer as they are, and does not count.
    for (int round = 0; round <= options_.rounds; ++round) {
      for (const auto& [series, read] : ways) {
        if (round == 1) series->samples.clear();
        for (uint32_t i = 0; i < size.blobs; ++i) {
          PC_RETURN_IF_ERROR(Rate(*series, size.bytes, [&] { return read(i); }));
        }
      }
    }
    size.stolen_share = StolenShare(before, CpuTimeNow());
    progress_("read them");
    report_.streamed += stream->reads();
    report_.shared += window->reads();
    return {};
  }

  // The blobs of the last size, each reader another one first.
  Status MeasureParallel() {
    for (const uint32_t readers : options_.readers) {
      PC_ASSIGN_OR_RETURN(const StoreStats before, store_->blobs().Stats());
      std::atomic<uint64_t> bytes = 0;
      std::atomic<bool> failed = false;
      const auto start = std::chrono::steady_clock::now();
      const auto end = start + std::chrono::seconds(3);
      {
        std::vector<std::jthread> threads;
        for (uint32_t i = 0; i < readers; ++i) {
          threads.emplace_back([&, i] {
            for (size_t at = i; std::chrono::steady_clock::now() < end; ++at) {
              const auto reader = store_->blobs().Open(keys_[at % keys_.size()]);
              if (!reader.ok()) return failed.store(true);
              std::vector<uint8_t> buffer(4 * kMiB);
              for (uint64_t offset = 0; offset + buffer.size() <= (*reader)->size();
                   offset += buffer.size()) {
                if (!(*reader)->Read(offset, buffer).ok()) return failed.store(true);
                bytes += buffer.size();
              }
            }
          });
        }
      }
      const double seconds = Seconds(start);
      if (failed) return Internal("a parallel read failed");
      PC_ASSIGN_OR_RETURN(const StoreStats after, store_->blobs().Stats());
      report_.parallel.push_back(
          {.readers = readers,
           .bytes_per_second = static_cast<double>(bytes) / seconds,
           .lock_wait_share = static_cast<double>(after.lock_wait_us - before.lock_wait_us) / 1e6 /
                              (seconds * readers)});
      progress_(std::to_string(readers) + " readers at once");
    }
    return {};
  }

  Status MeasureMany() {
    report_.small_blobs = options_.small_blobs;
    const std::string directory = Path("many");
    {
      PC_ASSIGN_OR_RETURN(const auto store, OpenDiskStore({.directory = directory}));
      const auto start = std::chrono::steady_clock::now();
      for (uint32_t i = 0; i < options_.small_blobs; ++i) {
        const BenchBlob blob = MakeBenchBlob(next_seed_++, 1 << 14);
        PC_RETURN_IF_ERROR(PutWhole(store->blobs(), blob.key, blob.bytes));
        if (i % 2'500 == 2'499) progress_("stored " + std::to_string(i + 1) + " small blobs");
      }
      report_.small_put_seconds = Seconds(start);
    }
    const auto start = std::chrono::steady_clock::now();
    PC_ASSIGN_OR_RETURN(const auto store, OpenDiskStore({.directory = directory}));
    report_.open_seconds = Seconds(start);
    const auto listing = std::chrono::steady_clock::now();
    PC_ASSIGN_OR_RETURN(const std::vector<BlobInfo> blobs, ListAll(store->blobs()));
    report_.list_seconds = Seconds(listing);
    return blobs.size() == options_.small_blobs ? Status() : Internal("blobs are missing");
  }

  const StoreBenchOptions& options_;
  const StoreBenchProgress& progress_;
  StoreBenchReport report_;
  std::unique_ptr<DiskStore> store_;
  std::vector<UnitKey> keys_;  // of the last size
  uint32_t next_seed_ = 1;
};

}  // namespace

Result<StoreBenchReport> MeasureStore(const StoreBenchOptions& options,
                                      const StoreBenchProgress& progress) {
  if (std::count(options.sizes_mib.begin(), options.sizes_mib.end(), 0u) > 0) {
    return InvalidArgument("blobs of 0 MiB");
  }
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error || !std::filesystem::is_empty(options.directory, error)) {
    return InvalidArgument(options.directory + " is not an empty directory");
  }
  Result<StoreBenchReport> report = Bench(options, progress).Run();
  for (const auto& entry : std::filesystem::directory_iterator(options.directory, error)) {
    std::filesystem::remove_all(entry.path(), error);
  }
  return report;
}

}  // namespace promptcache
