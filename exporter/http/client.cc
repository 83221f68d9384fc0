#include "http/client.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <ctime>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/secrets.h"
#include "base/text.h"
#include "http/address.h"
#include "http/curl.h"

namespace wal_exporter::http {
namespace {

// curl's own pieces are sized for downloads; answers here are small.
constexpr long kBufferBytes = 16 * 1024;
constexpr std::size_t kMaxHeaderBytes = 64 * 1024;
// The longest single wait. A request to stop ends it at once.
constexpr int kPollMilliseconds = 1000;
// A longer pause is not meant; it comes from a clock that is wrong.
constexpr std::chrono::seconds kLongestRetryAfter = std::chrono::hours(24 * 365);

struct ListDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListDelete>;

// What the callbacks fill in.
struct Receiver {
  Response response;
  std::size_t max_body = 0;
  std::size_t header_bytes = 0;
  bool body_too_large = false;
  bool status_is_enough = false;  // break off after the headers of a 2xx answer
  bool good_status = false;
  bool headers_too_large = false;

  // By ourselves, because the status was enough.
  [[nodiscard]] bool broke_off(CURLcode code) const {
    return status_is_enough && good_status && code == CURLE_WRITE_ERROR;
  }
};

[[nodiscard]] std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// An exception must not pass through libcurl: memory running out ends the
// transfer instead.
extern "C" std::size_t wal_exporter_http_on_body(char* data, std::size_t size, std::size_t count, void* user) try {
  auto& receiver = *static_cast<Receiver*>(user);
  const std::size_t bytes = size * count;
  if (bytes > receiver.max_body - receiver.response.body.size()) {
    receiver.body_too_large = true;
    return 0;
  }
  receiver.response.body.append(data, bytes);
  return bytes;
} catch (...) {
  return 0;
}

extern "C" std::size_t wal_exporter_http_on_header(char* data, std::size_t size, std::size_t count, void* user) try {
  auto& receiver = *static_cast<Receiver*>(user);
  const std::size_t bytes = size * count;
  receiver.header_bytes += bytes;
  if (receiver.header_bytes > kMaxHeaderBytes) {
    receiver.headers_too_large = true;
    return 0;
  }
  const std::string_view line(data, bytes);
  if (line.starts_with("HTTP/")) {
    receiver.response.headers.clear();  // earlier headers belonged to a 1xx answer
    const auto space = line.find(' ');
    receiver.good_status = space != std::string_view::npos && line.substr(space + 1).starts_with('2');
    return bytes;
  }
  if (receiver.status_is_enough && receiver.good_status && trim(line).empty()) return 0;
  const auto colon = line.find(':');
  if (colon != std::string_view::npos) {
    receiver.response.headers[lower_case(trim(line.substr(0, colon)))] = trim(line.substr(colon + 1));
  }
  return bytes;
} catch (...) {
  return 0;
}

[[nodiscard]] bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_letter_or_digit(c) || kMarks.find(c) != std::string_view::npos;
  });
}

// Control characters could end the header and begin another one.
[[nodiscard]] bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

// What is wrong with the request, before anything is sent; values of headers may
// be secrets and are not shown.
[[nodiscard]] Result<void> check(const Request& request, const std::string& what) {
  if (!is_token(request.method)) {
    return failure(ErrorKind::invalid, "HTTP method \"" + escape_control(request.method) +
                                           "\": letters and digits only, such as GET or POST");
  }
  const std::string scheme = lower_case(std::string_view(request.url).substr(0, 8));
  if (!scheme.starts_with("http://") && scheme != "https://") {
    return failure(ErrorKind::invalid, what + ": the URL must begin with http:// or https://");
  }
  if (has_control(request.url) || request.url.find_first_of(" \t") != std::string::npos) {
    return failure(ErrorKind::invalid,
                   what + ": the URL holds a space or a control character; write it percent-encoded");
  }
  if (request.unix_socket.size() >= sizeof(sockaddr_un::sun_path)) {
    return failure(ErrorKind::invalid, what + ": the path of the Unix socket is longer than " +
                                           std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes");
  }
  if (request.unix_socket.find('\0') != std::string::npos) {
    return failure(ErrorKind::invalid, what + ": the path of the Unix socket holds a zero byte");
  }
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name)) {
      return failure(ErrorKind::invalid, what + ": \"" + escape_control(name) + "\" is not the name of a header");
    }
    if (has_control(value)) {
      return failure(ErrorKind::invalid,
                     what + ": the value of header " + name + " holds a line break or another control character");
    }
  }
  if (!request.secret_header.empty()) {
    const auto colon = request.secret_header.find(':');
    if (colon == std::string::npos || !is_token(std::string_view(request.secret_header).substr(0, colon))) {
      return failure(ErrorKind::invalid, what + ": the secret header is not of the form \"Name: value\"");
    }
    if (has_control(request.secret_header)) {
      return failure(ErrorKind::invalid,
                     what + ": the secret header holds a line break or another control character; check its file");
    }
  }
  return {};
}

[[nodiscard]] bool append(List& list, const std::string& line) {
  curl_slist* grown = curl_slist_append(list.get(), line.c_str());
  if (grown == nullptr) return false;
  static_cast<void>(list.release());
  list.reset(grown);
  return true;
}

[[nodiscard]] bool make_headers(const Request& request, List& list) {
  bool content_type = false;
  for (const auto& [name, value] : request.headers) {
    content_type = content_type || lower_case(name) == "content-type";
    // "Name;" is curl's way to send a header without a value.
    if (!append(list, value.empty() ? name + ";" : name + ": " + value)) return false;
  }
  if (!request.secret_header.empty() && !append(list, request.secret_header)) return false;
  // Without this curl calls every body a web form, and waits for a go-ahead that
  // small servers never give.
  if (!content_type && !append(list, "Content-Type:")) return false;
  return append(list, "Expect:");
}

[[nodiscard]] ErrorKind kind_of(CURLcode code, long os_errno) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return ErrorKind::timeout;
    case CURLE_URL_MALFORMAT:
      return ErrorKind::invalid;
    case CURLE_COULDNT_CONNECT:
      if (os_errno == EACCES || os_errno == EPERM) return ErrorKind::permission;
      if (os_errno == ENOENT) return ErrorKind::not_found;
      return ErrorKind::unavailable;
    case CURLE_UNSUPPORTED_PROTOCOL:  // after our own check: an answer that is not HTTP
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_PARTIAL_FILE:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WRITE_ERROR:
      return ErrorKind::corrupt;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
      return ErrorKind::internal;
    default:
      return ErrorKind::unavailable;
  }
}

template <class Option>
void set_tls(const Option& option, const Tls& tls) {
  option(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  option(CURLOPT_CERTINFO, 1L);
  // A key with a passphrase would make OpenSSL ask for it on the terminal.
  option(CURLOPT_KEYPASSWD, "");
  if (!tls.ca_file.empty()) {
    option(CURLOPT_CAINFO, tls.ca_file.c_str());
    option(CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // else the machine's authorities count, too
  }
  if (!tls.client_cert_file.empty()) option(CURLOPT_SSLCERT, tls.client_cert_file.c_str());
  if (!tls.client_key_file.empty()) option(CURLOPT_SSLKEY, tls.client_key_file.c_str());
  if (!tls.pinned_key.empty()) option(CURLOPT_PINNEDPUBLICKEY, tls.pinned_key.c_str());
  if (tls.insecure_skip_verify || !tls.pinned_key.empty()) {
    option(CURLOPT_SSL_VERIFYPEER, 0L);
    option(CURLOPT_SSL_VERIFYHOST, 0L);
  }
}

// The names that the server's certificate is for, as OpenSSL prints them; empty: not known.
[[nodiscard]] std::string names_of_peer(CURL* easy) {
  curl_certinfo* chain = nullptr;
  if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == nullptr || chain->num_of_certs < 1) {
    return {};
  }
  constexpr std::string_view kNames = "X509v3 Subject Alternative Name:";
  for (const curl_slist* line = chain->certinfo[0]; line != nullptr; line = line->next) {
    const std::string_view text(line->data);
    if (text.starts_with(kNames)) return escape_control(trim(text.substr(kNames.size())));
  }
  return {};
}

// Everything that makes a request one; `request`, `tls`, `headers`, `receiver` and `detail`
// must outlive the transfer.
[[nodiscard]] CURLcode set_options(CURL* easy, const Request& request, const Tls& tls, curl_slist* headers,
                                   Receiver& receiver, char* detail) {
  CURLcode set = CURLE_OK;
  const auto option = [&](CURLoption name, auto value) {
    if (set == CURLE_OK) set = curl_easy_setopt(easy, name, value);
  };
  option(CURLOPT_ERRORBUFFER, detail);
  option(CURLOPT_URL, request.url.c_str());
  option(CURLOPT_PROTOCOLS_STR, "http,https");
  option(CURLOPT_FOLLOWLOCATION, 0L);
  option(CURLOPT_PROXY, "");
  option(CURLOPT_NOPROXY, "*");
  option(CURLOPT_NOSIGNAL, 1L);
  // Do not wait for a name look-up that hangs; its thread is left to end by itself.
  option(CURLOPT_QUICK_EXIT, 1L);
  option(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  option(CURLOPT_USERAGENT, "influxdb_wal_exporter");
  option(CURLOPT_HTTPHEADER, headers);
  option(CURLOPT_BUFFERSIZE, kBufferBytes);
  option(CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
  // Not cached: the parsed certificate store takes several MiB, and requests are minutes apart.
  option(CURLOPT_CA_CACHE_TIMEOUT, 0L);
  option(CURLOPT_CONNECTTIMEOUT_MS, curl_milliseconds(request.connect_timeout));
  option(CURLOPT_TIMEOUT_MS, curl_milliseconds(request.timeout));
  option(CURLOPT_WRITEFUNCTION, &wal_exporter_http_on_body);
  option(CURLOPT_WRITEDATA, static_cast<void*>(&receiver));
  option(CURLOPT_HEADERFUNCTION, &wal_exporter_http_on_header);
  option(CURLOPT_HEADERDATA, static_cast<void*>(&receiver));
  if (!request.unix_socket.empty()) option(CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  set_tls(option, tls);

  const bool reads = request.method == "GET" || request.method == "HEAD";
  const bool has_body =
      !request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (request.method == "HEAD") {
    option(CURLOPT_NOBODY, 1L);
  } else if (has_body) {
    option(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    option(CURLOPT_POSTFIELDS, request.body.c_str());
    option(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else if (!reads) {
    option(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  if (!reads) {
    // curl sends a request again, unasked, when a kept connection turns out to be
    // dead. Something that changes the server must be sent once.
    option(CURLOPT_FRESH_CONNECT, 1L);
    option(CURLOPT_FORBID_REUSE, 1L);
  }
  return set;
}

// Until the transfer ends by itself (its result), fails (internal) or is given up (cancelled).
[[nodiscard]] Result<CURLcode> transfer(CURLM* multi, const std::stop_token& stop, const std::string& what) {
  CURLMcode multi_code = CURLM_OK;
  int running = 1;
  // curl_multi_wakeup is the one function of curl that other threads may call.
  const std::stop_callback wake(stop, [multi] { static_cast<void>(curl_multi_wakeup(multi)); });
  while (true) {
    multi_code = curl_multi_perform(multi, &running);
    if (multi_code != CURLM_OK || running == 0) break;
    if (stop.stop_requested()) return failure(ErrorKind::cancelled, what + ": stopped");
    multi_code = curl_multi_poll(multi, nullptr, 0, kPollMilliseconds, nullptr);
    if (multi_code != CURLM_OK) break;
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg == CURLMSG_DONE) return message->data.result;
  }
  return failure(ErrorKind::internal, what + ": libcurl failed: " + curl_multi_strerror(multi_code));
}

// What is wrong with an answer of which `code` and `os_errno` tell how it ended.
// `connected`: a connection was made.
[[nodiscard]] Result<void> judge(const Request& request, const Receiver& receiver, CURLcode code, long os_errno,
                                 bool connected, const char* detail, const std::optional<Error>& tls_trouble,
                                 const std::string& what) {
  if (receiver.body_too_large) {
    return failure(ErrorKind::corrupt,
                   what + ": the answer is larger than " + std::to_string(request.max_response_bytes) + " bytes");
  }
  if (receiver.headers_too_large) {
    return failure(ErrorKind::corrupt,
                   what + ": the answer's headers are larger than " + std::to_string(kMaxHeaderBytes) + " bytes");
  }
  if (tls_trouble) return failure(tls_trouble->kind, what + ": " + tls_trouble->message);
  if (code == CURLE_OK || receiver.broke_off(code)) return {};
  // curl's own words may repeat parts of the URL.
  const bool hidden = !request.shown_url.empty();
  std::string cause = detail[0] != '\0' && !hidden ? foreign_text(detail) : std::string(curl_easy_strerror(code));
  if (code == CURLE_OPERATION_TIMEDOUT) {
    cause = connected
                ? "connected, but no complete answer within " + format_duration_rough(request.timeout) +
                      ": the server hangs or is overloaded"
                : "no connection within " + format_duration_rough(std::min(request.connect_timeout, request.timeout)) +
                      ": the host is down, or a firewall drops the packets";
  } else if (code == CURLE_COULDNT_CONNECT && os_errno != 0) {
    cause += " (" + std::generic_category().message(static_cast<int>(os_errno)) + ")";
  }
  return failure(kind_of(code, os_errno), what + ": " + cause);
}

}  // namespace

struct Client::Handle {
  bool spoiled = false;  // the last transfer did not end as it should
  Curl curl;
  std::string stamp;  // of the files of TLS
};

Client::Client(Tls tls) : tls_(std::move(tls)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

// Made at the first use: a process that never asks over HTTP does not pay for curl. In libcurl
// 7.88 a handle whose transfer ended before it had a connection no longer accepts a buffer size.
// So every failure leads to a new handle. So does a changed certificate: a kept connection, or a
// session that is resumed, would go by the old one.
bool Client::make_handle() {
  std::string stamp = stamp_of(tls_);
  if (handle_ != nullptr && !handle_->spoiled && handle_->stamp == stamp) return true;
  handle_.reset();
  auto curl = make_curl();
  if (!curl) return false;
  curl_multi_setopt(curl->multi.get(), CURLMOPT_MAXCONNECTS, 2L);
  handle_ = std::make_unique<Handle>(Handle{false, *std::move(curl), std::move(stamp)});
  return true;
}

Result<Response> Client::send(const Request& request, std::stop_token stop) {
  const std::string what = request.method + " " +
                           (request.shown_url.empty() ? printable_url(request.url) : request.shown_url) +
                           (request.unix_socket.empty() ? "" : " over " + escape_control(request.unix_socket));
  if (auto checked = check(request, what); !checked) return tl::unexpected<Error>(checked.error());
  if (stop.stop_requested()) return failure(ErrorKind::cancelled, what + ": stopped");

  process_secrets().remember(request.secret_header);
  if (!make_handle()) return failure(ErrorKind::internal, "libcurl could not be initialised");
  CURL* const easy = handle_->curl.easy.get();
  CURLM* const multi = handle_->curl.multi.get();
  curl_easy_reset(easy);

  List headers;
  if (!make_headers(request, headers)) return failure(ErrorKind::internal, what + ": out of memory");

  Receiver receiver;
  receiver.max_body = request.max_response_bytes;
  receiver.status_is_enough = request.status_is_enough;
  std::array<char, CURL_ERROR_SIZE> detail{};

  if (const CURLcode set = set_options(easy, request, tls_, headers.get(), receiver, detail.data()); set != CURLE_OK) {
    return failure(ErrorKind::internal, what + ": libcurl refused an option: " + curl_easy_strerror(set));
  }
  handle_->spoiled = true;
  if (curl_multi_add_handle(multi, easy) != CURLM_OK) {
    return failure(ErrorKind::internal, what + ": libcurl could not start the request");
  }
  const auto code = transfer(multi, stop, what);
  long status = 0;
  long os_errno = 0;
  long verify_result = 0;
  curl_off_t connect_time = 0;
  curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connect_time);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno);
  curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verify_result);
  const std::string names = names_of_peer(easy);
  curl_multi_remove_handle(multi, easy);
  curl_easy_reset(easy);  // it holds pointers to locals of this call
  if (!code) return tl::unexpected<Error>(code.error());
  const auto tls_trouble = *code == CURLE_OK && status == 400
                               ? cause_of_answer(tls_, receiver.response.body)
                               : tls_cause(tls_, *code, verify_result, detail.data(), names);
  if (auto judged = judge(request, receiver, *code, os_errno, connect_time > 0, detail.data(), tls_trouble, what);
      !judged) {
    return tl::unexpected<Error>(judged.error());
  }
  handle_->spoiled = receiver.broke_off(*code);
  receiver.response.status = static_cast<int>(status);
  // Before anybody sees it: a server may repeat what it was sent.
  process_secrets().strike_long(receiver.response.body);
  for (auto& [name, value] : receiver.response.headers) process_secrets().strike_long(value);
  return std::move(receiver.response);
}

std::optional<Duration> retry_after(const Response& response, Time now) {
  const auto found = response.headers.find("retry-after");
  if (found == response.headers.end() || found->second.empty()) return std::nullopt;
  const std::string& value = found->second;
  if (std::all_of(value.begin(), value.end(), is_digit)) {
    std::int64_t seconds = 0;
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (parsed.ec != std::errc()) return kLongestRetryAfter;
    return std::min(kLongestRetryAfter, std::chrono::seconds(seconds));
  }
  // A date begins with its day's name; curl would read a bare number as a date, too.
  if (value.front() < 'A' || value.front() > 'z') return std::nullopt;
  const std::time_t at = curl_getdate(value.c_str(), nullptr);
  if (at < 0) return std::nullopt;
  // In seconds: the year 9999 is beyond what nanoseconds count.
  const auto wait = std::chrono::seconds(at) - std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
  return std::clamp(wait, std::chrono::seconds(0), kLongestRetryAfter);
}

std::optional<Time> date_of(const Response& response) {
  const auto found = response.headers.find("date");
  if (found == response.headers.end()) return std::nullopt;
  const std::chrono::seconds since_1970{curl_getdate(found->second.c_str(), nullptr)};
  constexpr auto kLast = std::chrono::floor<std::chrono::seconds>(Time::max().time_since_epoch());
  if (since_1970.count() < 0 || since_1970 > kLast) return std::nullopt;
  const Time date{since_1970};
  // curl takes other forms too, and days that no month has.
  return format_http_date(date) == found->second ? std::optional(date) : std::nullopt;
}

}  // namespace wal_exporter::http
