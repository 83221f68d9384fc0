#include "web/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/text.h"

namespace wal_exporter::web {
namespace {

constexpr std::size_t kMaxPemBytes = 1 << 20;
constexpr const char* kStrongCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr std::string_view kSection = "tls_server_config.";

template <auto function>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    function(object);
  }
};
using Bio = std::unique_ptr<BIO, FreeWith<BIO_free>>;
using Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;

// The cause, which OpenSSL puts first; its queue is empty afterwards.
std::string openssl_reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

// A setting's PEM text, and what it is called in messages.
struct Pem {
  std::string text;
  std::string shown;
  std::string path = "FILE";  // for commands to type
};

Result<Pem> read_pem(const std::string& setting, const std::string& file, const std::string& inline_text) {
  const std::string name = std::string(kSection) + setting;
  if (file.empty()) return Pem{inline_text, name};
  const std::string path = escape_control(file);
  auto text = read_file(file, kMaxPemBytes, name + "_file");
  if (text) return Pem{std::move(*text), name + "_file " + path, path};
  Error error = std::move(text.error());
  const auto uid = std::to_string(::geteuid());
  if (error.kind == ErrorKind::permission) {
    error.message += "; user " + uid + " must be able to read it: `install -o " + uid + " -m 0400 " + path +
                     " DIRECTORY` makes a copy that it can";
  } else if (error.kind == ErrorKind::not_found) {
    error.message += "; put the file there or correct the path";
  }
  return tl::unexpected(std::move(error));
}

Bio memory_of(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Result<std::vector<Certificate>> read_certificates(const Pem& pem) {
  const Bio bio = memory_of(pem.text);
  std::vector<Certificate> certificates;
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate);
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = openssl_reason();
  if (!at_end) {
    return failure(ErrorKind::corrupt, pem.shown + ": certificate " + std::to_string(certificates.size() + 1) +
                                           " can't be read: " + reason + "; copy it again, whole");
  }
  if (certificates.empty()) {
    return failure(ErrorKind::corrupt,
                   pem.shown +
                       " holds no certificate in PEM (-----BEGIN CERTIFICATE-----); if it is DER, `openssl x509 "
                       "-inform DER -in " +
                       pem.path + " -out NEW` converts it");
  }
  return certificates;
}

Result<PrivateKey> read_key(const Pem& pem) {
  const Bio bio = memory_of(pem.text);
  bool encrypted = false;
  const auto note = [](char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
  };
  PrivateKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, note, &encrypted));
  if (key) return key;
  const bool absent =
      ERR_GET_REASON(ERR_peek_error()) == PEM_R_NO_START_LINE || pem.text.find("PRIVATE KEY-----") == std::string::npos;
  const std::string reason = openssl_reason();
  if (encrypted) {
    return failure(ErrorKind::invalid, pem.shown +
                                           " is encrypted, and nobody is there to enter its passphrase; `openssl pkey "
                                           "-in " +
                                           pem.path + " -out NEW` writes it without");
  }
  if (absent) {
    return failure(ErrorKind::corrupt,
                   pem.shown +
                       " holds no private key in PEM (-----BEGIN PRIVATE KEY-----); if it is DER, `openssl pkey "
                       "-inform DER -in " +
                       pem.path + " -out NEW` converts it");
  }
  return failure(ErrorKind::corrupt, pem.shown + " can't be read: " + reason + "; copy it again, whole");
}

Time time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return Time{};
  const std::chrono::seconds since_1970(::timegm(&parts));
  constexpr auto kLast = std::chrono::duration_cast<std::chrono::seconds>(Duration::max());
  return since_1970 > kLast ? Time::max() : Time(std::max(since_1970, std::chrono::seconds(0)));
}

// An address has one form however it is written: IPv4 as IPv6 has it.
std::optional<std::array<unsigned char, 16>> address_bytes(const unsigned char* data, int size) {
  std::array<unsigned char, 16> bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (size != 4 && size != 16) return std::nullopt;
  std::copy_n(data, size, bytes.end() - size);
  return bytes;
}

bool is_address(const std::string& text, const ASN1_OCTET_STRING* wanted) {
  std::array<unsigned char, 16> bytes{};
  const int size = ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1    ? 4
                   : ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1 ? 16
                                                                            : 0;
  const auto address = address_bytes(bytes.data(), size);
  return address && address == address_bytes(ASN1_STRING_get0_data(wanted), ASN1_STRING_length(wanted));
}

// Whole names, bytes as they are: no wildcards, and no difference between the kinds.
bool is_allowed(const GENERAL_NAME& name, const std::vector<std::string>& allowed) {
  const auto is_text = [](const ASN1_IA5STRING* text) {
    return [value = std::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                     static_cast<std::size_t>(ASN1_STRING_length(text)))](const std::string& san) {
      return value == san;
    };
  };
  switch (name.type) {
    case GEN_DNS:
      return std::any_of(allowed.begin(), allowed.end(), is_text(name.d.dNSName));
    case GEN_EMAIL:
      return std::any_of(allowed.begin(), allowed.end(), is_text(name.d.rfc822Name));
    case GEN_URI:
      return std::any_of(allowed.begin(), allowed.end(), is_text(name.d.uniformResourceIdentifier));
    case GEN_IPADD:
      return std::any_of(allowed.begin(), allowed.end(),
                         [&](const std::string& san) { return is_address(san, name.d.iPAddress); });
    default:
      return false;
  }
}

bool has_allowed_name(const X509* certificate, const std::vector<std::string>& allowed) {
  const Names names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (!names) return false;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    if (is_allowed(*sk_GENERAL_NAME_value(names.get(), i), allowed)) return true;
  }
  return false;
}

// What is asked of a client's certificate. Belongs to the SSL_CTX, which may outlive the TlsContext.
struct ClientCheck {
  bool verify = false;
  std::vector<std::string> allowed_sans;
};

int client_check_index() {
  static const int index = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr,
      [](void*, void* check, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<ClientCheck*>(check); });
  return index;
}

// Called where a client sent a certificate. That it has the key to it, OpenSSL checks in any case.
int check_client(X509_STORE_CTX* store, void* given) {
  const auto& check = *static_cast<const ClientCheck*>(given);
  if (check.verify && X509_verify_cert(store) <= 0) return 0;
  if (!check.allowed_sans.empty() && !has_allowed_name(X509_STORE_CTX_get0_cert(store), check.allowed_sans)) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
  }
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offered,
                    unsigned offered_size, void*) {
  static constexpr unsigned char kHttp[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, chosen_size, kHttp, sizeof kHttp, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

Result<void> set_protocol(SSL_CTX* context, const TlsSettings& settings) {
  const int min = std::max(settings.min_version, TLS1_2_VERSION);
  const int max = settings.max_version == 0 ? TLS1_3_VERSION : settings.max_version;
  if (min > max || SSL_CTX_set_min_proto_version(context, min) != 1 ||
      SSL_CTX_set_max_proto_version(context, max) != 1) {
    return failure(ErrorKind::invalid, std::string(kSection) +
                                           "min_version and max_version leave no version: both may be TLS12 or TLS13, "
                                           "and min_version not above max_version");
  }
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF |
                                   (settings.prefer_server_cipher_suites ? SSL_OP_CIPHER_SERVER_PREFERENCE : 0));
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  // Of a client; a chain of a few certificates has 4 KiB. OpenSSL would keep 100 KiB for each that has not come whole.
  SSL_CTX_set_max_cert_list(context, 16 * 1024);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);

  // One by one: of a list, OpenSSL leaves out silently what it does not know.
  for (const std::string& suite : settings.cipher_suites) {
    if (SSL_CTX_set_cipher_list(context, suite.c_str()) != 1) {
      ERR_clear_error();
      return failure(ErrorKind::invalid, std::string(kSection) + "cipher_suites: OpenSSL here does not have " +
                                             escape_control(suite) + "; take it out");
    }
  }
  const std::string suites = settings.cipher_suites.empty() ? kStrongCiphers : join(settings.cipher_suites, ":");
  if (SSL_CTX_set_cipher_list(context, suites.c_str()) != 1) return failure(ErrorKind::internal, openssl_reason());
  std::vector<std::string> curves;  // OpenSSL takes none twice
  for (const std::string& curve : settings.curves) {
    if (std::find(curves.begin(), curves.end(), curve) == curves.end()) curves.push_back(curve);
  }
  if (!curves.empty() && SSL_CTX_set1_groups_list(context, join(curves, ":").c_str()) != 1) {
    ERR_clear_error();
    return failure(ErrorKind::invalid, std::string(kSection) + "curve_preferences: OpenSSL here does not have all of " +
                                           escape_control(join(curves, ", ")) + "; take out what it does not know");
  }
  return {};
}

// The server's own certificate; what it says of itself is judged later.
Result<Time> set_certificate(SSL_CTX* context, const TlsSettings& settings) {
  const auto cert_pem = read_pem("cert", settings.cert_file, settings.cert);
  if (!cert_pem) return tl::unexpected(cert_pem.error());
  const auto certificates = read_certificates(*cert_pem);
  if (!certificates) return tl::unexpected(certificates.error());
  auto key_pem = read_pem("key", settings.key_file, settings.key);
  if (!key_pem) return tl::unexpected(key_pem.error());
  const auto key = read_key(*key_pem);
  OPENSSL_cleanse(key_pem->text.data(), key_pem->text.size());
  if (!key) return tl::unexpected(key.error());

  X509* own = certificates->front().get();
  if (SSL_CTX_use_certificate(context, own) != 1) {
    return failure(ErrorKind::invalid, cert_pem->shown + ": OpenSSL refuses the certificate: " + openssl_reason() +
                                           "; make one with an EC key (P-256) or an RSA key of 2048 bits, signed with "
                                           "SHA-256");
  }
  if (X509_check_private_key(own, key->get()) != 1 || SSL_CTX_use_PrivateKey(context, key->get()) != 1) {
    ERR_clear_error();
    return failure(ErrorKind::invalid,
                   key_pem->shown + " does not belong to the first certificate of " + cert_pem->shown +
                       ": put the server's own certificate first, or take the key it was made with");
  }
  for (auto next = certificates->begin() + 1; next != certificates->end(); ++next) {
    if (SSL_CTX_add1_chain_cert(context, next->get()) != 1) {
      return failure(ErrorKind::invalid, cert_pem->shown + ": OpenSSL refuses certificate " +
                                             std::to_string(next - certificates->begin() + 1) + ": " +
                                             openssl_reason() + "; take it out or have it made anew by its authority");
    }
  }
  return time_of(X509_get0_notAfter(own));
}

// Of TLS 1.2 each suite is for one kind of key.
Result<void> check_suites(SSL_CTX* context, const TlsSettings& settings) {
  if (settings.max_version != TLS1_2_VERSION) return {};
  const bool is_rsa = EVP_PKEY_is_a(SSL_CTX_get0_privatekey(context), "RSA") == 1;
  const STACK_OF(SSL_CIPHER)* suites = SSL_CTX_get_ciphers(context);
  for (int i = 0; i < sk_SSL_CIPHER_num(suites); ++i) {
    const int key = SSL_CIPHER_get_auth_nid(sk_SSL_CIPHER_value(suites, i));
    if (key == (is_rsa ? NID_auth_rsa : NID_auth_ecdsa)) return {};
  }
  return failure(ErrorKind::invalid,
                 std::string(kSection) + "cipher_suites: no suite fits the key of the certificate, " +
                     (is_rsa ? "which is an RSA one" : "which is no RSA one") +
                     ", and max_version is TLS12, so that no client could connect; add one that begins "
                     "with " +
                     (is_rsa ? "TLS_ECDHE_RSA_" : "TLS_ECDHE_ECDSA_"));
}

Result<void> trust(SSL_CTX* context, const TlsSettings& settings) {
  const auto pem = read_pem("client_ca", settings.client_ca_file, settings.client_ca);
  if (!pem) return tl::unexpected(pem.error());
  const auto authorities = read_certificates(*pem);
  if (!authorities) return tl::unexpected(authorities.error());
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const Certificate& authority : *authorities) {
    if (X509_STORE_add_cert(store, authority.get()) != 1 || SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return failure(ErrorKind::internal, pem->shown + ": " + openssl_reason());
    }
  }
  // As Go has it: whatever is named is trusted, be it a root or not.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

Result<void> set_client_auth(SSL_CTX* context, const TlsSettings& settings) {
  const ClientAuth auth = settings.client_auth;
  const bool required = auth == ClientAuth::require_any || auth == ClientAuth::require_and_verify;
  if (!settings.client_allowed_sans.empty() && !required) {
    return failure(ErrorKind::invalid, std::string(kSection) +
                                           "client_allowed_sans would be ignored; set client_auth_type to "
                                           "RequireAndVerifyClientCert");
  }
  if (auth == ClientAuth::none) return {};
  const bool verify = auth == ClientAuth::verify_if_given || auth == ClientAuth::require_and_verify;
  if (!settings.client_ca_file.empty() || !settings.client_ca.empty()) {
    if (auto trusted = trust(context, settings); !trusted) return trusted;
  } else if (verify) {
    SSL_CTX_set_default_verify_paths(context);
  }
  auto check = std::make_unique<ClientCheck>(ClientCheck{verify, settings.client_allowed_sans});
  SSL_CTX_set_cert_verify_callback(context, check_client, check.get());
  if (SSL_CTX_set_ex_data(context, client_check_index(), check.get()) != 1) {
    return failure(ErrorKind::internal, openssl_reason());
  }
  check.release();
  SSL_CTX_set_verify(context, required ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER, nullptr);
  return {};
}

std::vector<std::string> warnings_about(const TlsSettings& settings, const X509* own, Time not_after, Time now) {
  std::vector<std::string> warnings;
  const std::string shown =
      std::string(kSection) + (settings.cert_file.empty() ? "cert" : "cert_file " + escape_control(settings.cert_file));
  if (not_after < now) {
    warnings.push_back(shown + ": the certificate expired at " + format_time(not_after) +
                       ", so that clients refuse it; renew it, it is taken without a restart");
  } else if (const Time begin = time_of(X509_get0_notBefore(own)); begin > now) {
    warnings.push_back(shown + ": the certificate is valid from " + format_time(begin) +
                       " on, so that clients refuse it until then; check this machine's clock");
  }
  if (X509_check_purpose(const_cast<X509*>(own), X509_PURPOSE_SSL_SERVER, 0) != 1) {
    warnings.push_back(
        shown +
        ": the certificate is not made for servers (extended key usage), so that most clients refuse it; "
        "have one made with serverAuth");
  }
  struct stat status {};
  if (!settings.key_file.empty() && ::stat(settings.key_file.c_str(), &status) == 0 &&
      (status.st_mode & S_IROTH) != 0) {
    const std::string path = escape_control(settings.key_file);
    warnings.push_back(std::string(kSection) + "key_file " + path +
                       ": every user of this machine can read the key; `chmod o= " + path + "` ends that");
  }
  const bool verifies =
      settings.client_auth == ClientAuth::verify_if_given || settings.client_auth == ClientAuth::require_and_verify;
  if (verifies && settings.client_ca_file.empty() && settings.client_ca.empty()) {
    warnings.push_back(std::string(kSection) +
                       "client_auth_type verifies clients without client_ca_file: whoever has a certificate of any "
                       "authority this system trusts is let in; name your own authority");
  }
  return warnings;
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::make(const TlsSettings& settings, Time now) {
  ERR_clear_error();
  std::shared_ptr<TlsContext> made(new TlsContext);
  made->context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = made->get();
  if (context == nullptr) return failure(ErrorKind::internal, "OpenSSL makes no TLS context: " + openssl_reason());
  if (auto set = set_protocol(context, settings); !set) return tl::unexpected(std::move(set.error()));
  const auto not_after = set_certificate(context, settings);
  if (!not_after) return tl::unexpected(not_after.error());
  if (auto fits = check_suites(context, settings); !fits) return tl::unexpected(std::move(fits.error()));
  if (auto set = set_client_auth(context, settings); !set) return tl::unexpected(std::move(set.error()));
  made->not_after_ = *not_after;
  made->warnings_ = warnings_about(settings, SSL_CTX_get0_certificate(context), *not_after, now);
  return made;
}

std::string TlsContext::key_pin() const {
  unsigned char* key = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(SSL_CTX_get0_certificate(get())), &key);
  if (size <= 0) return {};
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(key, static_cast<std::size_t>(size), digest.data());
  OPENSSL_free(key);
  return "sha256//" + to_base64(std::string(digest.begin(), digest.end()));
}

std::string tls_error(const SSL* ssl) {
  const std::string reason = openssl_reason();
  switch (const long verdict = SSL_get_verify_result(ssl)) {
    case X509_V_OK:
      return reason;
    case X509_V_ERR_APPLICATION_VERIFICATION:
      return "client certificate refused: none of its names is in client_allowed_sans";
    default:
      return std::string("client certificate refused: ") + X509_verify_cert_error_string(verdict);
  }
}

}  // namespace wal_exporter::web
