#include "http/tls.h"

#include <curl/curl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "base/file.h"
#include "base/text.h"

namespace wal_exporter::http {
namespace {

constexpr std::size_t kLargestFile = 4 << 20;  // what the machine itself trusts is 200 KiB

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;

// Asked for a passphrase, OpenSSL would ask on the terminal.
extern "C" int wal_exporter_http_no_passphrase(char* /*out*/, int /*size*/, int /*writes*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

// Reads a file whose text has `mark`; nullptr: a problem was added.
Bio open_pem(const std::string& file, std::string_view key, std::string_view mark, std::string& text,
             std::vector<TlsProblem>& problems) {
  auto read = read_file(file, kLargestFile, key);
  if (!read) {
    problems.push_back(
        {std::string(key), read.error().message + "; write the path of a PEM file that the exporter's user may read"});
    return nullptr;
  }
  text = *std::move(read);
  if (text.find(mark) == std::string::npos) {
    const bool certificate = mark.find("CERT") != std::string_view::npos;
    problems.push_back({std::string(key), std::string(key) + " " + escape_control(file) + ": it holds no " +
                                              (certificate ? "certificate" : "private key") +
                                              " in PEM form (-----BEGIN ...); convert it with openssl " +
                                              (certificate ? "x509" : "pkey") + " -in FILE -out FILE.pem"});
    return nullptr;
  }
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The first certificate of a file of which all are read; nullptr: a problem was added.
Certificate read_certificates(const std::string& file, std::string_view key, std::vector<TlsProblem>& problems) {
  std::string text;
  const Bio bio = open_pem(file, key, "CERTIFICATE-----", text, problems);
  if (bio == nullptr) return nullptr;
  Certificate first;
  int number = 0;
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (++number == 1) first = std::move(next);
  }
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  const bool ended = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (ended && first != nullptr) return first;
  problems.push_back({std::string(key), std::string(key) + " " + escape_control(file) + ": certificate number " +
                                            std::to_string(number + 1) +
                                            " in it can't be read; copy it again, whole and unchanged"});
  return nullptr;
}

Key read_key(const std::string& file, std::vector<TlsProblem>& problems) {
  constexpr std::string_view kKey = "client_key_file";
  std::string text;
  const Bio bio = open_pem(file, kKey, "PRIVATE KEY-----", text, problems);
  if (bio == nullptr) return nullptr;
  bool asked = false;
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &wal_exporter_http_no_passphrase, &asked));
  ERR_clear_error();
  if (key != nullptr) return key;
  problems.push_back({std::string(kKey), std::string(kKey) + " " + escape_control(file) + ": " +
                                             (asked ? "it is protected by a passphrase; write it without one with "
                                                      "openssl pkey -in FILE -out FILE.plain, readable by the "
                                                      "exporter's user alone"
                                                    : "its private key can't be read; copy it again, whole and "
                                                      "unchanged")});
  return nullptr;
}

bool has(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

// What the server sent in place of going on: "tlsv1 alert unknown ca" is "unknown ca". Empty: no alert.
std::string alert_of(std::string_view detail) {
  constexpr std::string_view kAlert = "alert ";
  const std::size_t at = detail.find(kAlert);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = detail.substr(at + kAlert.size());
  return escape_control(rest.substr(0, rest.find(',')));
}

// "; name one in ..."; empty where there are no settings.
std::string name_a_certificate(const Tls& tls, std::string_view begin = "; ") {
  if (tls.settings.empty()) return {};
  return std::string(begin) + "name one in " + tls.settings + "client_cert_file and its key in " + tls.settings +
         "client_key_file";
}

std::string cause_of_alert(const Tls& tls, const std::string& alert) {
  const std::string quoted = " (TLS alert \"" + alert + "\")";
  const bool about_certificate = has(alert, {"certificate", "unknown ca", "access denied"});
  if (!about_certificate && !has(alert, {"handshake failure"})) return {};
  if (!tls.client_cert_file.empty()) {
    return "the server refuses the certificate of " + tls.settings + "client_cert_file" + quoted +
           "; give one that has not expired and is signed by an authority that the server knows";
  }
  if (about_certificate) return "the server asks for a client certificate" + quoted + name_a_certificate(tls);
  return "the server refused the TLS handshake" + quoted +
         name_a_certificate(tls, "; where it asks for a client certificate, ");
}

std::string cause_of_chain(const Tls& tls, long verify_result) {
  const std::string ca = tls.settings + "ca_file";
  switch (verify_result) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return tls.ca_file.empty() ? "its certificate is signed by an authority that this machine does not know; name "
                                   "that authority's certificate (PEM) in " +
                                       ca
                                 : "its certificate is not signed by an authority in " + ca + " (" +
                                       escape_control(tls.ca_file) + "); add the certificate of the one that signed it";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return tls.ca_file.empty()
                 ? "its certificate is signed by itself, which this machine does not know; name that certificate (PEM) "
                   "in " +
                       ca
                 : "its certificate is signed by itself and is not in " + ca + " (" + escape_control(tls.ca_file) +
                       "); add it";
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "its certificate, or one that signed it, has expired; renew it on the server";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "its certificate, or one that signed it, is not valid yet; check the clocks of both machines";
    default:
      return "its certificate is refused (" + std::string(X509_verify_cert_error_string(verify_result)) +
             "); give the server another one";
  }
}

}  // namespace

std::vector<TlsProblem> problems_of(const Tls& tls) {
  std::vector<TlsProblem> out;
  ERR_clear_error();
  if (!tls.ca_file.empty()) static_cast<void>(read_certificates(tls.ca_file, "ca_file", out));
  Certificate certificate;
  Key key;
  if (!tls.client_cert_file.empty()) certificate = read_certificates(tls.client_cert_file, "client_cert_file", out);
  if (!tls.client_key_file.empty()) key = read_key(tls.client_key_file, out);
  if (certificate != nullptr && key != nullptr && X509_check_private_key(certificate.get(), key.get()) != 1) {
    out.push_back({"client_key_file", "client_key_file " + escape_control(tls.client_key_file) +
                                          ": it is not the key of the first certificate in client_cert_file " +
                                          escape_control(tls.client_cert_file) +
                                          "; name the two that belong together"});
  }
  ERR_clear_error();
  return out;
}

std::string stamp_of(const Tls& tls) {
  std::string out;
  for (const std::string* file : {&tls.ca_file, &tls.client_cert_file, &tls.client_key_file}) {
    struct stat status {};
    if (file->empty() || ::stat(file->c_str(), &status) != 0) status = {};
    out += std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) + ":" + std::to_string(status.st_size) +
           ":" + std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec) + " ";
  }
  return out;
}

std::optional<Error> tls_cause(const Tls& tls, long curl_code, long verify_result, std::string_view detail,
                               const std::string& names) {
  if (curl_code == CURLE_SSL_CONNECT_ERROR && has(detail, {"wrong version number"})) {
    return Error{ErrorKind::unavailable, "the port does not speak TLS; write http:// in place of https://"};
  }
  std::string cause;
  switch (curl_code) {
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
      cause = "its key is not the one that was expected";
      break;
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      if (const auto problems = problems_of(tls); !problems.empty()) cause = tls.settings + problems.front().text;
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
      // Of a wrong host curl says 1 here.
      if (verify_result != X509_V_OK && verify_result != X509_V_ERR_UNSPECIFIED) {
        cause = cause_of_chain(tls, verify_result);
      } else {
        cause = "its certificate is for " + (names.empty() ? "another host" : names) +
                ", not for the host of this URL; write a host that it is for, or give the server one for this host";
      }
      break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      cause = cause_of_alert(tls, alert_of(detail));
      break;
    default:
      break;
  }
  return cause.empty() ? std::nullopt : std::optional(Error{ErrorKind::untrusted, cause});
}

std::optional<Error> cause_of_answer(const Tls& tls, std::string_view body) {
  if (has(body, {"No required SSL certificate was sent"})) {
    return Error{ErrorKind::untrusted, "the server asks for a client certificate" + name_a_certificate(tls)};
  }
  if (has(body, {"The SSL certificate error"})) {
    return Error{ErrorKind::untrusted, cause_of_alert(tls, "bad certificate")};
  }
  if (has(body, {"HTTP request was sent to HTTPS port", "HTTP request to an HTTPS server", "port speaks HTTPS"})) {
    return Error{ErrorKind::unavailable, "the port speaks TLS; write https:// in place of http://"};
  }
  return std::nullopt;
}

}  // namespace wal_exporter::http
