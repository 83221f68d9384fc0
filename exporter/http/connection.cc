#include "http/connection.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>

namespace wal_exporter::http {
namespace {

// How long a request to stop, or a clock that was moved, may go unseen.
constexpr Duration kSlice = std::chrono::milliseconds(50);

}  // namespace

Result<Connection> Connection::open(const std::string& host, std::uint16_t port, const Patience& patience) {
  auto curl = make_curl();
  if (!curl) return failure(ErrorKind::internal, "libcurl could not be initialised");
  Connection made(*std::move(curl));
  CURL* const easy = made.curl_.easy.get();
  const bool v6 = host.find(':') != std::string::npos;
  const std::string url = "http://" + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
  CURLcode set = CURLE_OK;
  const auto option = [&](CURLoption name, auto value) {
    if (set == CURLE_OK) set = curl_easy_setopt(easy, name, value);
  };
  option(CURLOPT_URL, url.c_str());
  option(CURLOPT_CONNECT_ONLY, 1L);
  option(CURLOPT_PROXY, "");
  option(CURLOPT_NOPROXY, "*");
  option(CURLOPT_NOSIGNAL, 1L);
  // Leave a name look-up that hangs behind, rather than wait for it.
  option(CURLOPT_QUICK_EXIT, 1L);
  // An address that swallows packets leaves time for the others.
  option(CURLOPT_CONNECTTIMEOUT_MS, curl_milliseconds(patience.deadline - patience.clock.steady()));
  if (set != CURLE_OK) return failure(ErrorKind::internal, curl_easy_strerror(set));
  if (auto connected = made.connect(patience); !connected) return tl::unexpected<Error>(connected.error());
  return made;
}

Result<void> Connection::connect(const Patience& patience) {
  CURLM* const multi = curl_.multi.get();
  CURL* const easy = curl_.easy.get();
  const auto late = [&] {
    curl_off_t looked_up = 0;
    curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &looked_up);
    return failure(ErrorKind::timeout,
                   looked_up == 0 ? "the name could not be looked up in time" : "connecting: no answer in time");
  };
  CURLMcode code = curl_multi_add_handle(multi, easy);
  int running = 1;
  while (code == CURLM_OK) {
    code = curl_multi_perform(multi, &running);
    if (code != CURLM_OK || running == 0) break;
    if (auto waited = wait(0, patience); !waited) {
      return waited.error().kind == ErrorKind::timeout ? late() : tl::unexpected<Error>(waited.error());
    }
  }
  int left = 0;
  const CURLMsg* const message = curl_multi_info_read(multi, &left);
  if (message == nullptr) return failure(ErrorKind::internal, curl_multi_strerror(code));
  const CURLcode result = message->data.result;
  if (result == CURLE_OPERATION_TIMEDOUT) return late();
  if (result == CURLE_COULDNT_RESOLVE_HOST) return failed(result, "looking up the name");
  if (result != CURLE_OK) return failed(result, "connecting");
  curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &socket_);
  return {};
}

Result<void> Connection::wait(short events, const Patience& patience) {
  if (patience.stop.stop_requested()) return failure(ErrorKind::cancelled, "stopped");
  const Duration left = patience.deadline - patience.clock.steady();
  curl_waitfd socket{socket_, events, 0};
  const unsigned sockets = socket_ == CURL_SOCKET_BAD ? 0 : 1;
  // What has come by the deadline is read, so one last look at it.
  const bool late = left <= Duration::zero();
  const long slice = late ? 0 : curl_milliseconds(std::min(left, kSlice));
  int ready = 0;
  const CURLMcode code = curl_multi_poll(curl_.multi.get(), &socket, sockets, static_cast<int>(slice), &ready);
  if (code != CURLM_OK) return failure(ErrorKind::unavailable, std::string("poll: ") + curl_multi_strerror(code));
  if (late && ready == 0) return failure(ErrorKind::timeout, "no answer in time");
  return {};
}

tl::unexpected<Error> Connection::failed(CURLcode code, const char* operation) const {
  long cause = 0;
  curl_easy_getinfo(curl_.easy.get(), CURLINFO_OS_ERRNO, &cause);
  const std::string text = cause != 0 && code != CURLE_COULDNT_RESOLVE_HOST
                               ? std::generic_category().message(static_cast<int>(cause))
                               : curl_easy_strerror(code);
  const ErrorKind kind = cause == ETIMEDOUT                      ? ErrorKind::timeout
                         : cause == ECONNRESET || cause == EPIPE ? ErrorKind::reset
                                                                 : ErrorKind::unavailable;
  return failure(kind, std::string(operation) + ": " + text);
}

// What is sent to a side that has closed is answered with a reset, which after the orderly
// end is told by the socket's error alone.
bool Connection::is_taken() const {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0) return false;
  int not_acknowledged = 0;
  return ::ioctl(socket_, SIOCOUTQ, &not_acknowledged) != 0 || not_acknowledged == 0;
}

Result<void> Connection::send(std::string_view bytes, const Patience& patience) {
  while (!bytes.empty()) {
    std::size_t sent = 0;
    const CURLcode code = curl_easy_send(curl_.easy.get(), bytes.data(), bytes.size(), &sent);
    bytes.remove_prefix(sent);
    if (code == CURLE_AGAIN) {
      if (auto waited = wait(CURL_WAIT_POLLOUT, patience); !waited) return waited;
    } else if (code != CURLE_OK) {
      return failed(code, "sending");
    }
  }
  return {};
}

Result<std::size_t> Connection::receive(char* buffer, std::size_t size, const Patience& patience) {
  while (true) {
    std::size_t count = 0;
    const CURLcode code = curl_easy_recv(curl_.easy.get(), buffer, size, &count);
    if (code == CURLE_OK && count == 0 && !is_taken()) {
      return failure(ErrorKind::reset, "receiving: closed before the question was taken");
    }
    if (code == CURLE_OK) return count;
    if (code != CURLE_AGAIN) return failed(code, "receiving");
    if (auto waited = wait(CURL_WAIT_POLLIN, patience); !waited) return tl::unexpected<Error>(waited.error());
  }
}

}  // namespace wal_exporter::http
