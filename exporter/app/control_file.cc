#include "app/control_file.h"

#include <sys/random.h>

#include <array>
#include <cerrno>

#include "base/file.h"
#include "base/text.h"

namespace wal_exporter::app {
namespace {

constexpr const char* kName = "control";

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

Result<void> write_control(const std::filesystem::path& state_directory, const Control& control) {
  return write_file_atomically(state_directory / kName, control.address + "\n" + control.token + "\n", 0600);
}

Result<Control> read_control(const std::filesystem::path& state_directory) {
  const auto text = read_file(state_directory / kName, 4096, "control file");
  if (!text) return tl::unexpected(text.error());
  const std::size_t end = text->find('\n');
  const std::size_t second = end == std::string::npos ? end : text->find('\n', end + 1);
  if (second == std::string::npos) {
    return failure(ErrorKind::corrupt, "control file " + escape_control((state_directory / kName).string()) +
                                           " does not hold an address and a token; restart the exporter");
  }
  return Control{text->substr(0, end), text->substr(end + 1, second - end - 1)};
}

void remove_control(const std::filesystem::path& state_directory) {
  std::error_code ignored;
  std::filesystem::remove(state_directory / kName, ignored);
}

}  // namespace wal_exporter::app
