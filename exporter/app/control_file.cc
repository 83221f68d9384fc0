#include "app/control_file.h"

#include <sys/random.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <sstream>
#include <system_error>

#include "base/file.h"
#include "base/text.h"

namespace wal_exporter::app {
namespace {

constexpr const char* kName = "control";
constexpr std::string_view kSocket = "control.sock";
constexpr std::string_view kUnix = "unix://";

}  // namespace

Result<std::string> random_token() {
  std::array<unsigned char, 32> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return tl::unexpected(system_error(errno, "reading", "random bytes"));
  }
  constexpr std::string_view digits = "0123456789abcdef";
  std::string token;
  for (const unsigned char byte : bytes) {
    token += digits[byte >> 4U];
    token += digits[byte & 0xFU];
  }
  return token;
}

Result<std::string> control_socket(const std::filesystem::path& state_directory) {
  std::error_code error;
  const std::string path = (std::filesystem::absolute(state_directory, error) / kSocket).lexically_normal().string();
  constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (!error && path.size() <= kLongest) return path;
  if (error)
    return failure(ErrorKind::invalid,
                   "state directory " + escape_control(state_directory.string()) + ": " + error.message());
  return failure(ErrorKind::invalid, "state directory " + escape_control(state_directory.string()) +
                                         " is too long for a control socket in it: " + std::to_string(path.size()) +
                                         " bytes with its name, and " + std::to_string(kLongest) +
                                         " are the most that Linux takes");
}

Result<void> write_control(const std::filesystem::path& state_directory, const Control& control) {
  const auto socket = control_socket(state_directory);
  const bool own = socket && control.url == std::string(kUnix) + *socket;
  return write_file_atomically(
      state_directory / kName,
      (own ? std::string(kSocket) : control.url) + "\n" + control.token + "\n" + control.pinned_key + "\n", 0600);
}

Result<Control> read_control(const std::filesystem::path& state_directory) {
  const auto text = read_file(state_directory / kName, 4096, "control file");
  if (!text) return tl::unexpected(text.error());
  std::istringstream in(*text);
  Control out;
  std::getline(in, out.url);
  std::getline(in, out.token);
  if (out.url.empty() || out.token.empty()) {
    return failure(ErrorKind::corrupt, "control file " + escape_control((state_directory / kName).string()) +
                                           " does not hold an address and a token; restart the exporter");
  }
  std::getline(in, out.pinned_key);
  if (out.url != kSocket) return out;
  auto socket = control_socket(state_directory);
  if (!socket) return tl::unexpected(socket.error());
  out.url = std::string(kUnix) + *socket;
  return out;
}

void remove_control(const std::filesystem::path& state_directory) {
  std::error_code ignored;
  std::filesystem::remove(state_directory / kName, ignored);
}

}  // namespace wal_exporter::app
