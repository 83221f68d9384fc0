#include "wal/watch.h"

#include <linux/magic.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "base/file.h"
#include "base/mutex.h"
#include "base/text.h"
#include "wal/listing.h"

namespace wal_exporter::wal {
namespace {

constexpr std::uint32_t kAppeared = IN_CREATE | IN_MOVED_TO;
constexpr std::uint32_t kLost = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT;
constexpr std::uint32_t kMask = kAppeared | kLost | IN_ONLYDIR;

// Filesystems where another machine's changes make no events here.
std::string_view without_events(int fd) {
  constexpr std::array<std::pair<long, std::string_view>, 6> kinds{{{NFS_SUPER_MAGIC, "NFS"},
                                                                    {SMB_SUPER_MAGIC, "SMB"},
                                                                    {0xFF534D42, "CIFS"},
                                                                    {0xFE534D42, "SMB2"},
                                                                    {FUSE_SUPER_MAGIC, "FUSE"},
                                                                    {V9FS_MAGIC, "9p"}}};
  struct statfs status {};
  if (::fstatfs(fd, &status) != 0) return {};
  for (const auto& [magic, name] : kinds) {
    if (status.f_type == magic) return name;
  }
  return {};
}

class InotifyWatch final : public DirectoryWatch {
 public:
  InotifyWatch(std::filesystem::path directory, Layout layout, std::function<void()> on_change)
      : directory_(std::move(directory)),
        layout_(layout),
        on_change_(std::move(on_change)),
        inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
        wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    rearm();
    if (inotify_.valid() && wake_.valid()) {
      thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    }
  }

  ~InotifyWatch() override {
    thread_.request_stop();
    const std::uint64_t one = 1;
    if (wake_.valid() && ::write(wake_.get(), &one, sizeof one) < 0) return;  // the jthread is joined anyway
  }

  std::string degraded() const override {
    const MutexLock lock(mutex_);
    return degraded_;
  }

  void rearm() override {
    const MutexLock lock(mutex_);
    if (!inotify_.valid() || !wake_.valid()) {
      degraded_ = "the kernel gave no inotify instance (" + std::string(std::strerror(errno)) +
                  "); raise fs.inotify.max_user_instances";
      return;
    }
    if (armed_ && degraded_.empty()) return;
    degraded_.clear();
    const auto root = open_root(directory_);
    if (!root) {
      degraded_ = root.error().message;
      return;
    }
    armed_ = true;
    watch_below(directory_, root->get(), 0);
    if (const std::string_view kind = without_events(root->get()); !kind.empty() && degraded_.empty()) {
      degraded_ = "the WAL lies on " + std::string(kind) + ", which may give no events for changes made elsewhere";
    }
  }

 private:
  // Folders above the files: db, rp and shard for segments; wal and snapshots for a node.
  [[nodiscard]] int depth() const { return layout_ == Layout::segments ? 3 : 1; }

  [[nodiscard]] bool is_of_interest(int level, std::string_view name) const {
    return layout_ == Layout::segments || level != 0 || name == "wal" || name == "snapshots";
  }

  void watch_below(const std::filesystem::path& path, int fd, int level) WAL_EXPORTER_REQUIRES(mutex_) {
    // The root may be a symbolic link that a person chose; what is below may not.
    const std::uint32_t mask = level == 0 ? kMask : kMask | IN_DONT_FOLLOW;
    const int watch = ::inotify_add_watch(inotify_.get(), path.c_str(), mask);
    if (watch < 0) {
      if (errno == ENOENT || errno == ENOTDIR) return;
      degraded_ = "no watch on " + escape_control(path.string()) + ": " + std::strerror(errno);
      if (errno == ENOSPC) degraded_ += "; raise fs.inotify.max_user_watches";
      return;
    }
    watches_[watch] = Watched{path, level};
    if (level >= depth()) return;
    std::vector<std::string> names;
    const auto listed = for_each_entry(fd, path, std::stop_token{}, [&](std::string_view name, EntryType type) {
      if (type != EntryType::directory || !is_of_interest(level, name)) return;
      if (!is_found_by_fsck(directory_, path, name)) names.emplace_back(name);
    });
    if (!listed) {
      degraded_ = listed.error().message;
      return;
    }
    for (const std::string& name : names) {
      const auto below = open_below(fd, name, path / name);
      if (below) watch_below(path / name, below->get(), level + 1);
      if (below || below.error().kind == ErrorKind::not_found) continue;
      if (level == 0 && name == kLostAndFound && below.error().kind == ErrorKind::permission) continue;
      degraded_ = below.error().message;
    }
  }

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::array<pollfd, 2> waiting{{{inotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
      if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return;
      if (stop.stop_requested()) return;
      if (drain()) on_change_();
    }
  }

  // Reads what has come; true where something appeared or was lost.
  bool drain() {
    alignas(inotify_event) std::array<char, 16384> buffer{};
    bool changed = false;
    while (true) {
      const ssize_t got = ::read(inotify_.get(), buffer.data(), buffer.size());
      if (got <= 0) return changed;
      for (ssize_t position = 0; position < got;) {
        inotify_event event{};
        std::memcpy(&event, buffer.data() + position, sizeof event);
        const char* name = event.len > 0 ? buffer.data() + position + sizeof event : "";
        position += static_cast<ssize_t>(sizeof event + event.len);
        changed = handle(event, name) || changed;
      }
    }
  }

  bool handle(const inotify_event& event, const std::string& name) {
    const MutexLock lock(mutex_);
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
      degraded_ = "events came faster than they could be read; the next look makes up for it";
      return true;
    }
    const auto watched = watches_.find(event.wd);
    if (watched == watches_.end()) return false;
    const Watched where = watched->second;
    if ((event.mask & (kLost | IN_IGNORED)) != 0) {
      watches_.erase(watched);
      if (where.level == 0) {
        degraded_ = "the directory " + escape_control(where.path.string()) + " was removed or replaced";
      }
      return where.level == 0;
    }
    if ((event.mask & kAppeared) == 0) return false;
    if ((event.mask & IN_ISDIR) != 0 && where.level < depth() && is_of_interest(where.level, name)) {
      const std::filesystem::path path = where.path / name;
      const auto parent = open_root(where.path);
      const auto below = parent ? open_below(parent->get(), name, path) : Result<Fd>(tl::unexpected(parent.error()));
      if (below) watch_below(path, below->get(), where.level + 1);
    }
    return true;
  }

  struct Watched {
    std::filesystem::path path;
    int level = 0;
  };

  const std::filesystem::path directory_;
  const Layout layout_;
  const std::function<void()> on_change_;
  const Fd inotify_;
  const Fd wake_;

  mutable Mutex mutex_;  // guards the list of watches and what is wrong with it
  std::unordered_map<int, Watched> watches_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::string degraded_ WAL_EXPORTER_GUARDED_BY(mutex_);
  bool armed_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  std::jthread thread_;  // last: stops before what it uses goes
};

}  // namespace

std::unique_ptr<DirectoryWatch> watch_directory(std::filesystem::path directory, Layout layout,
                                                std::function<void()> on_change) {
  return std::make_unique<InotifyWatch>(std::move(directory), layout, std::move(on_change));
}

}  // namespace wal_exporter::wal
