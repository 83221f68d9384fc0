// The secrets in use, so that no text of somebody else's is shown with one in it.
//
// A server may repeat what was sent to it: a token in the body of a 401, a URL in a redirect, a password in what
// a command writes. Whatever read_secret reads and whatever a request carries is remembered here, and struck
// out of what comes back: raw, as base64 and escaped for URLs and JSON, and of a long one each piece of 15
// bytes or more, because others cut texts, too.
//
// There is one for the process: what is secret does not depend on who asks. Safe from any thread.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/mutex.h"

namespace wal_exporter {

class Secrets {
 public:
  // A token, a password, "name:password", a header line, or a URL whose path is the secret. One of fewer than
  // 4 bytes is not remembered: every text would have it.
  void remember(std::string_view secret);

  // `text` with [secret] in the place of each.
  [[nodiscard]] std::string strike(std::string_view text) const;
  // The same of long ones alone, in place: for what is read by a program first, where a weak password may be
  // a word of the format.
  void strike_long(std::string& text) const;

 private:
  struct Place {
    std::uint32_t form = 0;
    std::uint32_t offset = 0;
  };
  struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  void add_form(std::string form) WAL_EXPORTER_REQUIRES(mutex_);
  void find_long(std::string_view text, std::vector<Range>& found) const WAL_EXPORTER_REQUIRES(mutex_);
  void find_short(std::string_view text, std::vector<Range>& found) const WAL_EXPORTER_REQUIRES(mutex_);
  static std::string without(std::string_view text, std::vector<Range> found);

  mutable Mutex mutex_;
  std::unordered_set<std::string> known_ WAL_EXPORTER_GUARDED_BY(mutex_);  // as they were given
  std::unordered_set<std::string> short_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::vector<std::string> long_ WAL_EXPORTER_GUARDED_BY(mutex_);
  // Every fourth piece of 12 bytes of the long ones, by its hash; and which hashes there can be.
  std::unordered_map<std::uint64_t, Place> pieces_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::bitset<1U << 16U> hashes_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

[[nodiscard]] Secrets& process_secrets();

// What somebody else wrote, for people: without secrets, at most about `most` bytes, on one line, printable.
[[nodiscard]] std::string foreign_text(std::string_view text, std::size_t most = 300);

}  // namespace wal_exporter
