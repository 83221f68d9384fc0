#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/secrets.h"
#include "base/text.h"

namespace wal_exporter {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

int Fd::release() {
  return std::exchange(fd_, -1);
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit, std::string_view what) {
  const std::string thing = std::string(what) + " " + escape_control(path.string());
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return tl::unexpected(system_error(errno, "opening", thing));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return tl::unexpected(system_error(errno, "checking", thing));
  if (!S_ISREG(status.st_mode)) return failure(ErrorKind::invalid, thing + " is not a regular file");
  std::string content;
  char buffer[16384];
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tl::unexpected(system_error(errno, "reading", thing));
    if (got == 0) return content;
    content.append(buffer, static_cast<std::size_t>(got));
    if (content.size() > limit) {
      return failure(ErrorKind::invalid, thing + " is larger than " + std::to_string(limit) + " bytes");
    }
  }
}

Result<std::string> read_secret(const std::filesystem::path& path, std::string_view what) {
  auto content = read_file(path, 64 * 1024, what);
  if (!content) return content;
  const std::string thing = std::string(what) + " " + escape_control(path.string());
  constexpr std::string_view space = " \t\r\n";
  const std::size_t begin = content->find_first_not_of(space);
  if (begin == std::string::npos) return failure(ErrorKind::invalid, thing + " is empty; put the secret on one line");
  std::string secret = content->substr(begin, content->find_last_not_of(space) - begin + 1);
  for (const char c : secret) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      return failure(ErrorKind::invalid,
                     thing + " holds a control character or more than one line; put the secret alone on one line");
    }
  }
  process_secrets().remember(secret);
  return secret;
}

Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content, unsigned mode) {
  const std::string name = path.string() + ".XXXXXX";
  std::string temporary = name;
  Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return tl::unexpected(system_error(errno, "creating a file beside", escape_control(path.string())));
  const auto fail = [&](int error, std::string_view operation) {
    ::unlink(temporary.c_str());
    return tl::unexpected(system_error(error, operation, escape_control(path.string())));
  };
  if (::fchmod(fd.get(), mode) != 0) return fail(errno, "setting the mode of");
  while (!content.empty()) {
    const ssize_t put = ::write(fd.get(), content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail(errno, "writing");
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fsync(fd.get()) != 0) return fail(errno, "flushing");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail(errno, "renaming into");
  return {};
}

}  // namespace wal_exporter
