#include "web/file_prints.h"

#include <openssl/sha.h>
#include <sys/stat.h>

#include <array>

#include "base/file.h"

namespace wal_exporter::web {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;
// Within a filesystem's grain of time a second write leaves the stat as it was.
constexpr Duration kSettled = std::chrono::seconds(3);

std::string hash_of(const std::string& file) {
  const auto text = read_file(file, kMaxBytes, "file");
  // A failure that mends is a change.
  const std::string& content = text ? *text : text.error().message;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
  SHA256(reinterpret_cast<const unsigned char*>(content.data()), content.size(), hash.data());
  return {hash.begin(), hash.end()};
}

}  // namespace

std::string FilePrints::look(const std::vector<std::string>& files, Time now) {
  std::map<std::string, Print> next;
  std::string out;
  for (const std::string& file : files) {
    struct stat status {};
    std::string stat_text = "none";
    bool settled = true;
    if (stat(file.c_str(), &status) == 0) {
      for (const auto part :
           {static_cast<std::int64_t>(status.st_dev), static_cast<std::int64_t>(status.st_ino),
            static_cast<std::int64_t>(status.st_size), static_cast<std::int64_t>(status.st_mode),
            static_cast<std::int64_t>(status.st_ctim.tv_sec), static_cast<std::int64_t>(status.st_ctim.tv_nsec),
            static_cast<std::int64_t>(status.st_mtim.tv_sec), static_cast<std::int64_t>(status.st_mtim.tv_nsec)}) {
        stat_text += " " + std::to_string(part);
      }
      const Duration age = now.time_since_epoch() - std::chrono::seconds(status.st_ctim.tv_sec);
      settled = age > kSettled;
    }
    const auto before = prints_.find(file);
    const bool same = settled && before != prints_.end() && before->second.stat == stat_text;
    Print& print = next[file];
    print = {stat_text, same ? before->second.hash : hash_of(file)};
    out += print.hash;
  }
  prints_ = std::move(next);
  return out;
}

}  // namespace wal_exporter::web
