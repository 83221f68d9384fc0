#include "wal/watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/mutex.h"
#include "base/text.h"
#include "wal/folders.h"
#include "wal/listing.h"
#include "wal/remote.h"

namespace wal_exporter::wal {
namespace {

constexpr std::uint32_t kAppeared = IN_CREATE | IN_MOVED_TO;
constexpr std::uint32_t kLost = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT;
constexpr std::uint32_t kMask = kAppeared | kLost | IN_ONLYDIR;

}  // namespace

// All watches of the instance. Paths are opened, listed and watched without the lock,
// so that a directory that hangs holds up nobody who waits for it.
class WatchHub::Watches {
 public:
  using Id = std::uint64_t;

  // What is watched for one directory, but for what the lock guards.
  struct Subject {
    std::filesystem::path directory;
    Layout layout = Layout::segments;

    // Folders above the files: db, rp and shard for segments; wal and snapshots for a node.
    [[nodiscard]] int depth() const { return layout == Layout::segments ? 3 : 1; }
    // Of what lies in the folder `parent` of `level`.
    [[nodiscard]] bool is_of_interest(int level, const std::filesystem::path& parent, std::string_view name) const {
      if (level >= depth()) return false;
      if (layout == Layout::segments) return may_be_folder(level + 1, name, directory, parent);
      return name == "wal" || name == "snapshots";
    }
  };

  class ChangeCallback {
   public:
    explicit ChangeCallback(std::function<void()> function) : function_(std::move(function)) {}
    void call() {
      const MutexLock lock(mutex_);
      if (function_) function_();
    }
    void end() {
      const MutexLock lock(mutex_);
      function_ = nullptr;
    }

   private:
    Mutex mutex_;  // held while it runs, so that end() waits
    std::function<void()> function_ WAL_EXPORTER_GUARDED_BY(mutex_);
  };

  // What one read of events asks for.
  struct News {
    std::set<std::shared_ptr<ChangeCallback>> changed;
    std::vector<Id> to_arm;  // folders appeared, and no job is about them
  };

  Watches() : inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!valid()) no_instance_ = std::strerror(errno);
  }
  [[nodiscard]] bool valid() const { return inotify_.valid() && wake_.valid(); }
  [[nodiscard]] int inotify() const { return inotify_.get(); }
  [[nodiscard]] int wake() const { return wake_.get(); }

  Id add(Subject subject, std::shared_ptr<ChangeCallback> callback) WAL_EXPORTER_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    Watched& watched = watched_[++last_id_];
    watched.subject = std::move(subject);
    watched.callback = std::move(callback);
    return last_id_;
  }

  void remove(Id id) WAL_EXPORTER_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    release(id, watched_[id], [](const Spot&) { return true; });
    watched_.erase(id);
  }

  [[nodiscard]] std::string degraded(Id id) const WAL_EXPORTER_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return watched_.at(id).degraded;
  }

  void rearm(Id id) WAL_EXPORTER_EXCLUDES(mutex_) {
    Subject subject;
    {
      const MutexLock lock(mutex_);
      Watched& watched = watched_[id];
      if (!valid()) {
        watched.degraded =
            "the kernel gave no inotify instance (" + no_instance_ + "); raise fs.inotify.max_user_instances";
        return;
      }
      if (watched.armed && watched.degraded.empty()) return;
      watched.degraded.clear();
      watched.armed = true;
      ++watched.round;
      subject = watched.subject;
    }
    const auto root = open_root(subject.directory);
    if (!root) return degrade(id, root.error().message);
    watch_below(id, subject, subject.directory, root->get(), 0);
    const MutexLock lock(mutex_);
    Watched& watched = watched_[id];
    // What is not there any more, or was moved away.
    release(id, watched, [&](const Spot& place) { return place.round != watched.round; });
  }

  // A job of the pool: watches the folders that have appeared.
  void arm_appeared(Id id) WAL_EXPORTER_EXCLUDES(mutex_) {
    while (const auto appeared = take_appeared(id)) {
      const auto& [subject, parent, name, level, callback] = *appeared;
      const auto above = open_root(parent);
      const auto below = above ? open_below(above->get(), name, parent / name, /*follow=*/true)
                               : Result<Fd>(tl::unexpected(above.error()));
      if (below) watch_below(id, subject, parent / name, below->get(), level);
      callback->call();  // for what came into it before it was watched
    }
  }

  [[nodiscard]] News read() WAL_EXPORTER_EXCLUDES(mutex_) {
    alignas(inotify_event) std::array<char, 65536> buffer{};
    News news;
    const ssize_t got = ::read(inotify_.get(), buffer.data(), buffer.size());
    const MutexLock lock(mutex_);
    for (ssize_t position = 0; position < got;) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + position, sizeof event);
      const char* name = event.len > 0 ? buffer.data() + position + sizeof event : "";
      position += static_cast<ssize_t>(sizeof event + event.len);
      handle(event, name, news);
    }
    return news;
  }

 private:
  struct Spot {
    std::filesystem::path path;
    int level = 0;
    std::uint64_t round = 0;  // of the rearm() that last found it
  };
  struct Appeared {
    Subject subject;
    std::filesystem::path parent;
    std::string name;
    int level = 0;
    std::shared_ptr<ChangeCallback> callback;
  };
  struct Watched {
    Subject subject;
    std::shared_ptr<ChangeCallback> callback;
    std::string degraded;
    bool armed = false;
    std::uint64_t round = 0;
    std::unordered_map<int, Spot> places;  // by the kernel's number, which others may have, too
    std::deque<Appeared> appeared;
    bool arming = false;  // a job is about what appeared
  };

  void degrade(Id id, std::string why) WAL_EXPORTER_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const auto found = watched_.find(id);
    if (found != watched_.end()) found->second.degraded = std::move(why);
  }

  std::optional<Appeared> take_appeared(Id id) WAL_EXPORTER_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const auto found = watched_.find(id);
    if (found == watched_.end()) return std::nullopt;
    Watched& watched = found->second;
    watched.arming = !watched.appeared.empty();
    if (!watched.arming) return std::nullopt;
    Appeared first = std::move(watched.appeared.front());
    watched.appeared.pop_front();
    return first;
  }

  // Gives up the places that `which` names; the kernel's watch goes with its last user.
  template <typename Which>
  void release(Id id, Watched& watched, const Which& which) WAL_EXPORTER_REQUIRES(mutex_) {
    for (auto place = watched.places.begin(); place != watched.places.end();) {
      if (!which(place->second)) {
        ++place;
        continue;
      }
      const auto users = users_.find(place->first);
      users->second.erase(id);
      if (users->second.empty()) {
        ::inotify_rm_watch(inotify_.get(), place->first);  // fails where the directory is gone, and its watch with it
        users_.erase(users);
      }
      place = watched.places.erase(place);
    }
  }

  // False: the watch is gone.
  bool note(Id id, int number, const std::filesystem::path& path, int level) WAL_EXPORTER_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const auto found = watched_.find(id);
    if (found == watched_.end()) {
      if (users_.count(number) == 0) ::inotify_rm_watch(inotify_.get(), number);
      return false;
    }
    found->second.places[number] = {path, level, found->second.round};
    users_[number].insert(id);
    return true;
  }

  // False: not watched.
  bool watch_one(Id id, const std::filesystem::path& path, int level) WAL_EXPORTER_EXCLUDES(mutex_) {
    int noted = -1;
    while (true) {
      const int number = ::inotify_add_watch(inotify_.get(), path.c_str(), kMask);
      // The kernel's watch may have ended before it was noted: another user of it went, or
      // the directory was replaced. No event tells of that any more, another number does.
      if (number >= 0 && number == noted) return true;
      if (number < 0) {
        if (level > 0 && (errno == ENOENT || errno == ENOTDIR)) return false;
        std::string why = "no watch on " + escape_control(path.string()) + ": " + std::strerror(errno);
        if (errno == ENOSPC) why += "; raise fs.inotify.max_user_watches";
        degrade(id, std::move(why));
        return false;
      }
      if (!note(id, number, path, level)) return false;
      noted = number;
    }
  }

  void watch_below(Id id, const Subject& subject, const std::filesystem::path& path, int fd, int level)
      WAL_EXPORTER_EXCLUDES(mutex_) {
    if (!watch_one(id, path, level)) return;
    if (const std::string kind = kind_without_events_at(fd); !kind.empty()) {
      degrade(id, escape_control(path.string()) + " lies on " + kind +
                      ", which may give no events for changes made elsewhere");
    }
    if (level >= subject.depth()) return;
    std::vector<std::pair<std::string, bool>> names;  // and whether it is a link
    const auto listed = for_each_entry(fd, path, std::stop_token{}, [&](std::string_view name, EntryType type) {
      const bool link = type == EntryType::symlink;
      if ((link || type == EntryType::directory) && subject.is_of_interest(level, path, name)) {
        names.emplace_back(name, link);
      }
    });
    if (!listed) return degrade(id, listed.error().message);
    for (const auto& [name, link] : names) {
      const auto below = open_below(fd, name, path / name, /*follow=*/true);
      if (below) watch_below(id, subject, path / name, below->get(), level + 1);
      if (below || is_stray_name(name)) continue;
      struct stat goal {};
      const bool is_file = link && ::fstatat(fd, name.c_str(), &goal, 0) == 0 && !S_ISDIR(goal.st_mode);
      if (is_file || (!link && below.error().kind == ErrorKind::not_found)) continue;
      degrade(id, below.error().message);  // no event tells when a link's goal appears, or when rights change
    }
  }

  void handle(const inotify_event& event, const std::string& name, News& news) WAL_EXPORTER_REQUIRES(mutex_) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
      for (auto& [id, watched] : watched_) {
        watched.degraded = "events came faster than they could be read; the next sample makes up for it";
        news.changed.insert(watched.callback);
      }
      return;
    }
    const auto users = users_.find(event.wd);
    if (users == users_.end()) return;
    const std::set<Id> ids = users->second;  // release() changes it
    for (const Id id : ids) handle(event, name, id, watched_[id], news);
  }

  void handle(const inotify_event& event, const std::string& name, Id id, Watched& watched, News& news)
      WAL_EXPORTER_REQUIRES(mutex_) {
    const Spot& place = watched.places[event.wd];
    if ((event.mask & (kLost | IN_IGNORED)) != 0) {
      if (place.level == 0) {
        watched.degraded = "the directory " + escape_control(place.path.string()) + " was removed or replaced";
      }
      const bool moved = (event.mask & IN_MOVE_SELF) != 0;
      if (moved) watched.armed = false;  // what is below it has another path now
      if (moved || place.level == 0) news.changed.insert(watched.callback);
      release(id, watched, [&](const Spot& each) { return &each == &place; });
      return;
    }
    if ((event.mask & kAppeared) == 0) return;
    news.changed.insert(watched.callback);
    // Not only a folder: a link may lead to one.
    if (!watched.subject.is_of_interest(place.level, place.path, name)) return;
    watched.appeared.push_back({watched.subject, place.path, name, place.level + 1, watched.callback});
    if (!watched.arming) news.to_arm.push_back(id);
    watched.arming = true;
  }

  const Fd inotify_;
  const Fd wake_;
  std::string no_instance_;

  mutable Mutex mutex_;  // guards what is watched for whom
  Id last_id_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
  std::unordered_map<Id, Watched> watched_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::unordered_map<int, std::set<Id>> users_ WAL_EXPORTER_GUARDED_BY(mutex_);  // of one of the kernel's watches
};

class WatchHub::Watch final : public DirectoryWatch {
 public:
  Watch(std::shared_ptr<Watches> watches, Watches::Subject subject, std::function<void()> on_change)
      : watches_(std::move(watches)),
        callback_(std::make_shared<Watches::ChangeCallback>(std::move(on_change))),
        id_(watches_->add(std::move(subject), callback_)) {
    watches_->rearm(id_);
  }
  ~Watch() override {
    callback_->end();
    watches_->remove(id_);
  }
  std::string degraded() const override { return watches_->degraded(id_); }
  void rearm() override { watches_->rearm(id_); }

 private:
  const std::shared_ptr<Watches> watches_;
  const std::shared_ptr<Watches::ChangeCallback> callback_;
  const Watches::Id id_;
};

WatchHub::WatchHub(std::shared_ptr<Pool> pool) : pool_(std::move(pool)), watches_(std::make_shared<Watches>()) {
  if (watches_->valid()) thread_ = std::jthread([this](const std::stop_token& stop) { read_events(stop); });
}

WatchHub::~WatchHub() {
  thread_.request_stop();
  const std::uint64_t one = 1;
  if (watches_->valid() && ::write(watches_->wake(), &one, sizeof one) < 0) return;  // the jthread is joined anyway
}

std::unique_ptr<DirectoryWatch> WatchHub::watch(std::filesystem::path directory, Layout layout,
                                                std::function<void()> on_change) {
  return std::make_unique<Watch>(watches_, Watches::Subject{std::move(directory), layout}, std::move(on_change));
}

void WatchHub::read_events(const std::stop_token& stop) {
  while (true) {
    std::array<pollfd, 2> waiting{{{watches_->inotify(), POLLIN, 0}, {watches_->wake(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return;
    if (stop.stop_requested()) return;
    const Watches::News news = watches_->read();
    for (const auto& callback : news.changed) callback->call();
    for (const Watches::Id id : news.to_arm) {
      pool_->submit([watches = watches_, id](const std::stop_token&) { watches->arm_appeared(id); });
    }
  }
}

}  // namespace wal_exporter::wal
