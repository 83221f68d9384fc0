#include "wal/folders.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <set>
#include <utility>
#include <vector>

#include "base/text.h"
#include "wal/listing.h"

namespace wal_exporter::wal {
namespace {

constexpr std::size_t kMostLinks = 10'000;  // followed in one sample
constexpr std::size_t kMostStrayNames = 5;  // in a note

bool is_bucket_id(std::string_view name) {
  return name.size() == 16 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// One pass over all levels.
class Walk {
 public:
  using Visit = std::function<Result<void>(int, const ShardFolder&)>;

  Walk(const std::filesystem::path& top, Sample& sample, std::stop_token stop, const Visit& visit)
      : top_(top), sample_(sample), stop_(std::move(stop)), visit_(visit) {}

  Result<void> run(int root) {
    ShardFolder folder;
    folder.path = top_;
    (void)meet(root);
    auto done = below(root, 0, folder);
    if (!done) return done;
    if (shards_ == 0 && missed_.folders > 0) return tl::unexpected(missed_.errors.front());
    for (const Error& error : missed_.errors) {
      note("not counted: " + error.message);
      sample_.uncounted.add(error.message);
    }
    sample_.uncounted.folders += missed_.folders - missed_.errors.size();
    const auto& deciding = with_shards_.empty() ? others_ : with_shards_;
    sample_.bucket_ids = !deciding.empty() && std::all_of(deciding.begin(), deciding.end(), is_bucket_id);
    if (!strays_.empty()) {
      note("passed over, no shard of InfluxDB in it: " + join(strays_, ", ") +
           (more_strays_ > 0 ? " and " + std::to_string(more_strays_) + " more" : ""));
    }
    return {};
  }

 private:
  struct Entry {
    std::string name;
    bool link = false;
  };
  // What the server would replay and nobody can count; the first errors.
  struct Missed {
    std::uint64_t folders = 0;
    std::vector<Error> errors;
  };

  // What lies in the folder `above`, which is of `level`.
  Result<void> below(int fd, int level, const ShardFolder& above) {
    std::vector<Entry> entries;
    auto listed = for_each_entry(fd, above.path, stop_, [&](std::string_view name, EntryType type) {
      const bool link = type == EntryType::symlink;
      const bool folder = link || type == EntryType::directory;
      if (folder && may_be_folder(level + 1, name, top_, above.path)) {
        entries.push_back({std::string(name), link});
        return;
      }
      ++foreign_;
      // A person would take it for a shard.
      if (folder && level + 1 == kShardLevel && parse_number(name)) add_stray(above.path / name);
    });
    if (!listed) return listed;
    // What is a folder by itself before what leads to it.
    std::stable_partition(entries.begin(), entries.end(), [](const Entry& entry) { return !entry.link; });
    for (const Entry& entry : entries) {
      auto done = enter(fd, level + 1, above, entry);
      if (!done && done.error().kind != ErrorKind::not_found) return done;
    }
    return {};
  }

  Result<void> enter(int parent, int level, const ShardFolder& above, const Entry& entry) {
    ShardFolder folder = above;
    folder.path /= entry.name;
    const std::size_t shards = shards_;
    const std::size_t foreign = foreign_;
    const auto missed = missed_;
    auto done = open_and_visit(parent, level, folder, entry);
    if (!done && done.error().kind == ErrorKind::permission) {
      miss(std::move(done.error()));
      done = {};
    }
    const bool holds_none = shards_ == shards;
    if (is_stray_name(entry.name) && holds_none) {
      missed_ = missed;
      add_stray(folder.path);
    } else if (level == 1 && holds_none && foreign_ > foreign && missed_.folders == missed.folders) {
      add_stray(folder.path);
    } else if (level == 1) {
      (holds_none ? others_ : with_shards_).push_back(entry.name);
    }
    return done;
  }

  Result<void> open_and_visit(int parent, int level, ShardFolder& folder, const Entry& entry) {
    if (entry.link) {
      const auto leads_to_folder = judge_link(parent, entry.name, folder.path);
      if (!leads_to_folder) return tl::unexpected(leads_to_folder.error());
      if (!*leads_to_folder) return {};
    }
    const auto directory = open_below(parent, entry.name, folder.path, entry.link);
    if (!directory) return tl::unexpected(directory.error());
    if (!meet(directory->get())) {
      note(escape_control(folder.path.string()) + " leads to a folder that is counted already");
      return {};
    }
    if (level == 1) folder.database = entry.name;
    if (level == 2) folder.retention_policy = entry.name;
    if (level < kShardLevel) return below(directory->get(), level, folder);
    folder.id = *parse_shard_name(entry.name);
    auto done = visit_(directory->get(), folder);
    if (done) ++shards_;
    return done;
  }

  // False: it leads to no folder, and where it leads nowhere, it is missed.
  Result<bool> judge_link(int parent, const std::string& name, const std::filesystem::path& path) {
    const std::string shown = escape_control(path.string());
    struct stat status {};
    if (++links_ > kMostLinks) {
      miss({ErrorKind::invalid, shown + ": more than " + std::to_string(kMostLinks) +
                                    " links to folders; mount the folders there instead (mount --bind)"});
    } else if (::fstatat(parent, name.c_str(), &status, 0) == 0) {
      if (S_ISDIR(status.st_mode)) return true;
      ++foreign_;
    } else if (errno == ENOENT || errno == ELOOP || errno == ENOTDIR) {
      miss({ErrorKind::not_found, shown + ": the symbolic link leads nowhere; is its disk mounted?"});
    } else {
      return tl::unexpected(access_error(errno, "following the symbolic link", path));
    }
    return false;
  }

  // False: the directory was met before, under another name.
  bool meet(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) != 0 || met_.emplace(status.st_dev, status.st_ino).second;
  }

  void miss(Error error) {
    if (missed_.folders++ < kMostNotes) missed_.errors.push_back(std::move(error));
  }

  void add_stray(const std::filesystem::path& path) {
    if (strays_.size() < kMostStrayNames) {
      strays_.push_back(escape_control(path.lexically_relative(top_).string()));
    } else {
      ++more_strays_;
    }
  }

  void note(std::string text) {
    if (sample_.notes.size() < kMostNotes) sample_.notes.push_back(std::move(text));
  }

  const std::filesystem::path& top_;
  Sample& sample_;
  const std::stop_token stop_;
  const Visit& visit_;
  std::size_t shards_ = 0;
  std::size_t links_ = 0;
  std::size_t foreign_ = 0;  // entries that InfluxDB does not make
  std::set<std::pair<dev_t, ino_t>> met_;
  std::vector<std::string> with_shards_;  // databases
  std::vector<std::string> others_;       // that hold none
  std::vector<std::string> strays_;
  std::size_t more_strays_ = 0;
  Missed missed_;
};

}  // namespace

bool is_stray_name(std::string_view name) {
  return name.starts_with('.') || name.starts_with('@') || name.starts_with('#') || name.starts_with('$') ||
         name == kLostAndFound || name == "System Volume Information";
}

bool may_be_folder(int level, std::string_view name, const std::filesystem::path& top,
                   const std::filesystem::path& parent) {
  if (level == kShardLevel) return parse_shard_name(name).has_value();
  return !(name.starts_with('#') && parent == top / kLostAndFound);
}

std::optional<std::uint64_t> parse_number(std::string_view digits) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

std::optional<std::uint64_t> parse_shard_name(std::string_view name) {
  return name.size() > 1 && name.front() == '0' ? std::nullopt : parse_number(name);
}

Result<void> for_each_shard(int root, const std::filesystem::path& path, Sample& sample, const std::stop_token& stop,
                            const std::function<Result<void>(int, const ShardFolder&)>& visit) {
  return Walk(path, sample, stop, visit).run(root);
}

}  // namespace wal_exporter::wal
