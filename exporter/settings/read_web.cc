#include "settings/read_web.h"

#include <pwd.h>

#include <cstring>
#include <limits>

#include "base/text.h"
#include "http/address.h"

namespace wal_exporter::settings {
namespace {

constexpr std::size_t kMostEntries = 100;

Result<LocalUser> find_user(const std::string& text) {
  if (const auto number = whole_number(text)) {
    // The last one stands for no user.
    if (*number < std::numeric_limits<std::uint32_t>::max())
      return LocalUser{text, static_cast<std::uint32_t>(*number)};
    return failure(ErrorKind::invalid, shown(text) + " is no uid; write one from 0 to 4294967294");
  }
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(16384);
  const int error = ::getpwnam_r(text.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return LocalUser{text, found->pw_uid};
  // Of a user that is not there, name services tell in several ways.
  const bool unknown = error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
  return failure(
      unknown ? ErrorKind::invalid : ErrorKind::unavailable,
      unknown ? "there is no user " + shown(text) + " on this machine; write one that getent passwd lists, or a uid"
              : "looking up the user " + shown(text) + ": " + std::strerror(error) + "; write its uid");
}

Result<std::string> check_name(const std::string& text) {
  const auto parts = http::parse_authority(text);
  if (!parts || parts->port || text.starts_with('[')) {
    return failure(
        ErrorKind::invalid,
        shown(text) + " is not a host name; write it without scheme, port and path, such as wal.example.com");
  }
  std::string name = lower_case(text);
  if (name.ends_with('.')) name.pop_back();
  return name;
}

template <class T>
std::vector<T> read(const Section& section, std::string_view key, std::string_view form,
                    Result<T> (*one)(const std::string&)) {
  std::vector<T> out;
  for (const Word& word : section.words(key, {.most = kMostEntries, .form = form})) {
    if (auto read = one(word.text)) {
      out.push_back(*std::move(read));
    } else {
      section.reader().problem(word.line, section.path(key) + ": " + read.error().message);
    }
  }
  return out;
}

template <class T>
Result<std::vector<T>> parse_each(const std::string& text, Result<T> (*one)(const std::string&)) {
  std::vector<T> out;
  for (std::size_t at = 0; at < text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    const auto first = text.find_first_not_of(' ', at);
    auto word = first < comma ? text.substr(first, comma - first) : std::string();
    while (word.ends_with(' ')) word.pop_back();
    at = comma + 1;
    auto read = one(word);
    if (!read) return tl::unexpected(read.error());
    out.push_back(*std::move(read));
  }
  return out;
}

}  // namespace

Web read_web(const Section& section) {
  return {read(section, "local_users", "a list of up to 100 users, by name or uid", find_user),
          read(section, "own_names", "a list of up to 100 host names", check_name)};
}

Result<std::vector<LocalUser>> parse_local_users(const std::string& text) {
  return parse_each(text, find_user);
}

Result<std::vector<std::string>> parse_own_names(const std::string& text) {
  return parse_each(text, check_name);
}

}  // namespace wal_exporter::settings
