#include "web/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "unit/http/fake_server.h"

namespace wal_exporter::web {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Key = std::shared_ptr<EVP_PKEY>;
using Issued = std::shared_ptr<X509>;

const Time kToday = SystemClock().now();

Key ec_key() {
  return {EVP_EC_gen("P-256"), EVP_PKEY_free};
}

struct Wanted {
  std::string name;
  std::string sans;  // as OpenSSL's configuration has them: "DNS:a,IP:127.0.0.1"
  std::string usage = {};
  bool authority = false;
  long begins = -1;  // days from now
  long ends = 30;
};

struct Identity {
  Key key;
  Issued certificate;

  [[nodiscard]] std::string pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate.get());
    return take(bio);
  }
  [[nodiscard]] std::string key_pem(const char* passphrase = nullptr) const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, key.get(), passphrase == nullptr ? nullptr : EVP_aes_256_cbc(), passphrase,
                                  passphrase == nullptr ? 0 : 6, nullptr, nullptr);
    return take(bio);
  }

 private:
  static std::string take(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
  }
};

// Signed by itself where there is no `issuer`.
Identity issue(const Wanted& wanted, const Identity* issuer = nullptr, Key key = ec_key()) {
  static long serial = 1;
  const Issued certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_time_adj_ex(X509_getm_notBefore(certificate.get()), static_cast<int>(wanted.begins), 0, nullptr);
  X509_time_adj_ex(X509_getm_notAfter(certificate.get()), static_cast<int>(wanted.ends), 0, nullptr);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(wanted.name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate.get(),
                       X509_get_subject_name(issuer == nullptr ? certificate.get() : issuer->certificate.get()));
  X509_set_pubkey(certificate.get(), key.get());
  const auto extend = [&](int kind, const std::string& value) {
    if (value.empty()) return;
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    ASSERT_NE(extension, nullptr) << value;
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
  };
  extend(NID_basic_constraints, wanted.authority ? "critical,CA:TRUE" : "");
  extend(NID_subject_alt_name, wanted.sans);
  extend(NID_ext_key_usage, wanted.usage);
  X509_sign(certificate.get(), issuer == nullptr ? key.get() : issuer->key.get(), EVP_sha256());
  return {key, certificate};
}

// What a client brings, and what came of it.
struct Client {
  const Identity* identity = nullptr;
  int min = TLS1_2_VERSION;
  int max = TLS1_3_VERSION;
  std::string ciphers = "ALL:@SECLEVEL=0";
  std::string groups = {};
  std::vector<unsigned char> alpn = {};
};

struct Outcome {
  std::string error;  // of the server; empty: the handshake is done
  std::string version;
  std::string cipher;
  std::string group;
  std::string protocol;  // ALPN
  bool resumed = false;
  std::shared_ptr<SSL_SESSION> session;  // of the client
};

// Both sides in memory, to the end of the server's handshake and an answer of it.
Outcome handshake(SSL_CTX* server, const Client& client, SSL_SESSION* session = nullptr) {
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_cipher_list(context.get(), client.ciphers.c_str());  // the security level first: it allows the versions
  SSL_CTX_set_min_proto_version(context.get(), client.min);
  SSL_CTX_set_max_proto_version(context.get(), client.max);
  if (!client.groups.empty()) SSL_CTX_set1_groups_list(context.get(), client.groups.c_str());
  if (!client.alpn.empty()) {
    SSL_CTX_set_alpn_protos(context.get(), client.alpn.data(), static_cast<unsigned>(client.alpn.size()));
  }
  if (client.identity != nullptr) {
    SSL_CTX_use_certificate(context.get(), client.identity->certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), client.identity->key.get());
  }
  const std::shared_ptr<SSL> here(SSL_new(server), SSL_free);
  const std::shared_ptr<SSL> there(SSL_new(context.get()), SSL_free);
  BIO* left = nullptr;
  BIO* right = nullptr;
  BIO_new_bio_pair(&left, 1 << 17, &right, 1 << 17);
  SSL_set_bio(here.get(), left, left);
  SSL_set_bio(there.get(), right, right);
  SSL_set_accept_state(here.get());
  SSL_set_connect_state(there.get());
  if (session != nullptr) SSL_set_session(there.get(), session);

  Outcome outcome;
  for (int round = 0; round < 10 && SSL_is_init_finished(here.get()) == 0; ++round) {
    SSL_do_handshake(there.get());
    ERR_clear_error();
    const int done = SSL_do_handshake(here.get());
    if (done != 1 && SSL_get_error(here.get(), done) == SSL_ERROR_SSL) {
      outcome.error = tls_error(here.get());
      return outcome;
    }
  }
  char byte = 'x';
  SSL_write(here.get(), &byte, 1);
  SSL_do_handshake(there.get());
  if (SSL_read(there.get(), &byte, 1) != 1) outcome.error = "the handshake did not end";
  outcome.version = SSL_get_version(here.get());
  outcome.cipher = SSL_get_cipher_name(here.get());
  if (SSL_version(here.get()) == TLS1_3_VERSION) {
    outcome.group = OBJ_nid2sn(static_cast<int>(SSL_get_negotiated_group(here.get())));
  }
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(there.get(), &protocol, &size);
  if (size > 0) outcome.protocol.assign(reinterpret_cast<const char*>(protocol), size);
  outcome.resumed = SSL_session_reused(here.get()) == 1;
  outcome.session = {SSL_get1_session(there.get()), SSL_SESSION_free};
  return outcome;
}

class Tls : public ::testing::Test {
 protected:
  [[nodiscard]] std::string write(const std::string& name, const std::string& text, unsigned mode = 0600) {
    const std::string path = temporary_.path() / name;
    EXPECT_TRUE(write_file_atomically(path, text, mode));
    return path;
  }

  [[nodiscard]] TlsSettings settings() {
    TlsSettings made;
    made.cert_file = write("cert.pem", server_.pem());
    made.key_file = write("key.pem", server_.key_pem());
    return made;
  }
  [[nodiscard]] TlsSettings settings(ClientAuth auth) {
    TlsSettings made = settings();
    made.client_auth = auth;
    made.client_ca_file = write("ca.pem", authority_.pem());
    return made;
  }

  static std::shared_ptr<const TlsContext> context(const TlsSettings& settings) {
    auto made = TlsContext::make(settings, kToday);
    EXPECT_TRUE(made) << made.error().message;
    return made.value();
  }
  static std::string error(const TlsSettings& settings) {
    const auto made = TlsContext::make(settings, kToday);
    return made ? "not refused" : made.error().message;
  }
  static std::string verdict(const TlsSettings& settings, const Client& client) {
    return handshake(context(settings)->get(), client).error;
  }

  const tests::TempDir temporary_;
  const Identity authority_ = issue({.name = "authority", .sans = "", .authority = true});
  const Identity server_ = issue({.name = "server", .sans = "DNS:localhost"}, &authority_);
  const Identity friend_ = issue({.name = "friend", .sans = "DNS:friend.example"}, &authority_);
  const Identity stranger_ = issue({.name = "stranger", .sans = "DNS:friend.example"});
};

TEST_F(Tls, SpeaksTls13AndTls12WithStrongCiphers) {
  const auto newest = handshake(context(settings())->get(), {});
  EXPECT_EQ(newest.version, "TLSv1.3");
  const auto before = handshake(context(settings())->get(), {.max = TLS1_2_VERSION});
  EXPECT_EQ(before.version, "TLSv1.2");
  EXPECT_EQ(before.cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
}

TEST_F(Tls, RefusesOlderVersions) {
  EXPECT_THAT(verdict(settings(), {.min = TLS1_VERSION, .max = TLS1_1_VERSION}), HasSubstr("unsupported protocol"));
}

TEST_F(Tls, RefusesCiphersWithoutForwardSecrecyOrAuthenticatedEncryption) {
  for (const char* weak : {"AES256-GCM-SHA384:@SECLEVEL=0", "ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0"}) {
    EXPECT_THAT(verdict(settings(), {.max = TLS1_2_VERSION, .ciphers = weak}), HasSubstr("no shared cipher")) << weak;
  }
}

TEST_F(Tls, KeepsToTheVersionsOfTheSettings) {
  auto only13 = settings();
  only13.min_version = TLS1_3_VERSION;
  EXPECT_THAT(verdict(only13, {.max = TLS1_2_VERSION}), HasSubstr("unsupported protocol"));
  auto only12 = settings();
  only12.max_version = TLS1_2_VERSION;
  EXPECT_EQ(handshake(context(only12)->get(), {}).version, "TLSv1.2");
  only12.min_version = TLS1_3_VERSION;
  EXPECT_THAT(error(only12), HasSubstr("min_version not above max_version"));
}

TEST_F(Tls, TakesTheCipherSuitesOfTheSettingsInTheirOrderOrTheClients) {
  auto listed = settings();
  listed.cipher_suites = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"};
  const Client other_order{.max = TLS1_2_VERSION,
                           .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"};
  EXPECT_EQ(handshake(context(listed)->get(), other_order).cipher, "ECDHE-ECDSA-AES128-GCM-SHA256");
  listed.prefer_server_cipher_suites = false;
  EXPECT_EQ(handshake(context(listed)->get(), other_order).cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
  listed.cipher_suites.emplace_back("NO-SUCH-SUITE");
  EXPECT_THAT(error(listed), AllOf(HasSubstr("tls_server_config.cipher_suites"), HasSubstr("NO-SUCH-SUITE")));
}

TEST_F(Tls, RefusesSuitesThatDoNotFitTheKeyWhereThereIsTls12Alone) {
  auto listed = settings();
  listed.cipher_suites = {"ECDHE-RSA-AES128-GCM-SHA256"};
  EXPECT_TRUE(context(listed)) << "TLS 1.3 is left";
  listed.max_version = TLS1_2_VERSION;
  EXPECT_THAT(error(listed), AllOf(HasSubstr("tls_server_config.cipher_suites"), HasSubstr("TLS_ECDHE_ECDSA_")));
}

TEST_F(Tls, TakesTheCurvesOfTheSettings) {
  auto listed = settings();
  listed.curves = {"P-384", "P-384"};
  EXPECT_EQ(handshake(context(listed)->get(), {}).group, "secp384r1");
  EXPECT_NE(verdict(listed, {.groups = "X25519"}), "");
  listed.curves = {"P-1"};
  EXPECT_THAT(error(listed), AllOf(HasSubstr("tls_server_config.curve_preferences"), HasSubstr("P-1")));
}

TEST_F(Tls, AgreesOnHttp11AndOnNothingElse) {
  EXPECT_EQ(handshake(context(settings())->get(), {.alpn = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'}})
                .protocol,
            "http/1.1");
  EXPECT_THAT(verdict(settings(), {.alpn = {2, 'h', '2'}}), HasSubstr("no application protocol"));
}

TEST_F(Tls, ClientsNeedACertificateAsTheirTypeSays) {
  // Of each type: without one, of the authority, of a stranger.
  struct Type {
    ClientAuth auth;
    bool none, good, stranger;
  };
  for (const auto& [auth, none, good, strange] :
       {Type{ClientAuth::none, true, true, true},  //
        Type{ClientAuth::request, true, true, true}, Type{ClientAuth::require_any, false, true, true},
        Type{ClientAuth::verify_if_given, true, true, false},
        Type{ClientAuth::require_and_verify, false, true, false}}) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      SCOPED_TRACE(std::to_string(static_cast<int>(auth)) + " " + std::to_string(version));
      auto asked = settings(auth);
      if (auth == ClientAuth::none) asked.client_ca_file.clear();
      EXPECT_EQ(verdict(asked, {.min = version, .max = version}), none ? "" : "peer did not return a certificate");
      EXPECT_EQ(verdict(asked, {.identity = &friend_, .min = version, .max = version}), good ? "" : "refused");
      EXPECT_EQ(verdict(asked, {.identity = &stranger_, .min = version, .max = version}),
                strange ? "" : "client certificate refused: self-signed certificate");
    }
  }
}

TEST_F(Tls, AClientsCertificateMustBeValidAndForClients) {
  const auto asked = settings(ClientAuth::require_and_verify);
  const auto old = issue({.name = "old", .sans = "", .begins = -9, .ends = -1}, &authority_);
  EXPECT_EQ(verdict(asked, {.identity = &old}), "client certificate refused: certificate has expired");
  const auto servers = issue({.name = "server", .sans = "", .usage = "serverAuth"}, &authority_);
  EXPECT_THAT(verdict(asked, {.identity = &servers}), HasSubstr("client certificate refused: unsuitable"));
  const auto clients = issue({.name = "client", .sans = "", .usage = "clientAuth"}, &authority_);
  EXPECT_EQ(verdict(asked, {.identity = &clients}), "");
}

TEST_F(Tls, AnIntermediateAuthorityMayBeTrustedAlone) {
  const auto between = issue({.name = "between", .sans = "", .authority = true}, &authority_);
  const auto client = issue({.name = "client", .sans = ""}, &between);
  auto asked = settings(ClientAuth::require_and_verify);
  asked.client_ca_file.clear();
  asked.client_ca = between.pem();
  EXPECT_EQ(verdict(asked, {.identity = &client}), "");
  EXPECT_NE(verdict(asked, {.identity = &friend_}), "");
}

TEST_F(Tls, AnyNameOfTheCertificateMayBeAllowed) {
  const auto client = issue({.name = "client",
                             .sans = "DNS:prometheus.example,email:ops@example.org,IP:192.0.2.7,IP:2001:db8::7,"
                                     "URI:spiffe://example.org/prometheus"},
                            &authority_);
  for (const auto& [allowed, expected] :
       std::vector<std::pair<std::string, bool>>{{"prometheus.example", true},
                                                 {"ops@example.org", true},
                                                 {"192.0.2.7", true},
                                                 {"2001:db8::7", true},
                                                 {"spiffe://example.org/prometheus", true},
                                                 {"Prometheus.example", false},
                                                 {"*.example", false},
                                                 {"prometheus", false},
                                                 {"client", false},  // its common name
                                                 {"192.0.2.70", false},
                                                 {"spiffe://example.org", false}}) {
    auto asked = settings(ClientAuth::require_and_verify);
    asked.client_allowed_sans = {"another.example", allowed};
    EXPECT_EQ(verdict(asked, {.identity = &client}),
              expected ? "" : "client certificate refused: none of its names is in client_allowed_sans")
        << allowed;
  }
}

TEST_F(Tls, AllowedNamesDoNotStandInForTheAuthority) {
  auto asked = settings(ClientAuth::require_and_verify);
  asked.client_allowed_sans = {"friend.example"};
  EXPECT_EQ(verdict(asked, {.identity = &friend_}), "");
  EXPECT_EQ(verdict(asked, {.identity = &stranger_}), "client certificate refused: self-signed certificate");
  const auto nameless = issue({.name = "friend.example", .sans = ""}, &authority_);
  EXPECT_THAT(verdict(asked, {.identity = &nameless}), HasSubstr("client_allowed_sans"));
}

TEST_F(Tls, AllowedNamesWithoutARequiredCertificateAreRefused) {
  for (const auto auth : {ClientAuth::none, ClientAuth::request, ClientAuth::verify_if_given}) {
    auto asked = settings(auth);
    asked.client_allowed_sans = {"friend.example"};
    EXPECT_THAT(error(asked), HasSubstr("tls_server_config.client_allowed_sans would be ignored"));
  }
}

TEST_F(Tls, ASessionIsNeverResumed) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto server = context(settings(ClientAuth::require_and_verify));
    const Client client{.identity = &friend_, .min = version, .max = version};
    const auto first = handshake(server->get(), client);
    ASSERT_EQ(first.error, "");
    const auto second = handshake(server->get(), client, first.session.get());
    EXPECT_EQ(second.error, "");
    EXPECT_FALSE(second.resumed);
    EXPECT_EQ(handshake(server->get(), {.min = version, .max = version}, first.session.get()).error,
              "peer did not return a certificate");
  }
}

TEST_F(Tls, WhatAConnectionNeedsOutlivesTheContext) {
  auto asked = settings(ClientAuth::require_and_verify);
  asked.client_allowed_sans = {"friend.example"};
  auto server = context(asked);
  SSL_CTX_up_ref(server->get());  // as each SSL does
  const std::shared_ptr<SSL_CTX> held(server->get(), SSL_CTX_free);
  server.reset();
  EXPECT_EQ(handshake(held.get(), {.identity = &friend_}).error, "");
  EXPECT_NE(handshake(held.get(), {.identity = &stranger_}).error, "");
}

TEST_F(Tls, SendsTheChainOfItsFile) {
  const auto between = issue({.name = "between", .sans = "", .authority = true}, &authority_);
  const auto server = issue({.name = "server", .sans = "DNS:localhost"}, &between);
  TlsSettings made;
  made.cert = server.pem() + between.pem();
  made.key = server.key_pem();
  const auto context = TlsContext::make(made, kToday).value();
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context->get(), &chain);
  EXPECT_EQ(sk_X509_num(chain), 1);
  EXPECT_EQ(handshake(context->get(), {}).error, "");
}

TEST_F(Tls, TellsWhenItsCertificateEnds) {
  auto made = settings();
  EXPECT_NEAR(to_unix_seconds(context(made)->not_after()), to_unix_seconds(kToday + 30 * kDay), 60);
  EXPECT_THAT(context(made)->warnings(), IsEmpty());
  // 9999-12-31, as RFC 5280 writes that there is no end.
  const auto endless = issue({.name = "endless", .sans = "", .ends = 2912000}, &authority_, server_.key);
  made.cert_file.clear();
  made.cert = endless.pem();
  EXPECT_EQ(context(made)->not_after(), Time::max());
  EXPECT_THAT(context(made)->warnings(), IsEmpty());
}

TEST_F(Tls, WarnsOfWhatOnlyClientsOrStrangersNotice) {
  auto made = settings();
  made.cert_file =
      write("old.pem", issue({.name = "old", .sans = "", .begins = -9, .ends = -1}, &authority_, server_.key).pem());
  EXPECT_THAT(context(made)->warnings(),
              ElementsAre(AllOf(HasSubstr("cert_file " + made.cert_file), HasSubstr("expired at"))));
  made.cert_file = write("soon.pem", issue({.name = "soon", .sans = "", .begins = 2}, &authority_, server_.key).pem());
  EXPECT_THAT(context(made)->warnings(), ElementsAre(HasSubstr("is valid from")));
  made = settings();
  made.key_file = write("open.pem", server_.key_pem(), 0644);
  made.client_auth = ClientAuth::verify_if_given;
  EXPECT_THAT(context(made)->warnings(),
              ElementsAre(AllOf(HasSubstr("key_file"), HasSubstr("chmod o=")), HasSubstr("without client_ca_file")));
}

TEST_F(Tls, NamesSettingFileAndRemedyOfWhatIsMissing) {
  auto made = settings();
  made.cert_file = temporary_.path() / "absent.pem";
  EXPECT_EQ(error(made), "opening tls_server_config.cert_file " + made.cert_file +
                             ": No such file or directory; put the file there or correct the path");
  made = settings(ClientAuth::require_and_verify);
  made.client_ca_file = temporary_.path();
  EXPECT_EQ(error(made), "tls_server_config.client_ca_file " + made.client_ca_file + " is not a regular file");
}

TEST_F(Tls, NamesTheUserWhoMayNotReadAFile) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read anything";
  auto made = settings();
  made.key_file = write("closed.pem", server_.key_pem(), 0);
  const auto user = std::to_string(::geteuid());
  EXPECT_EQ(error(made), "opening tls_server_config.key_file " + made.key_file + ": Permission denied; user " + user +
                             " must be able to read it: `install -o " + user + " -m 0400 " + made.key_file +
                             " DIRECTORY` makes a copy that it can");
}

TEST_F(Tls, NamesWhatIsNotPem) {
  auto made = settings();
  made.cert_file = write("not.pem", "0\x82 not PEM");
  EXPECT_THAT(error(made), AllOf(HasSubstr("tls_server_config.cert_file " + made.cert_file + " holds no certificate"),
                                 HasSubstr("-inform DER")));
  made = settings();
  made.key_file = made.cert_file;
  EXPECT_THAT(error(made), HasSubstr("tls_server_config.key_file " + made.key_file + " holds no private key"));
  made = settings();
  const auto whole = server_.pem();
  made.cert_file = write("cut.pem", whole + whole.substr(0, whole.size() / 2));
  EXPECT_THAT(error(made), HasSubstr("certificate 2 can't be read"));
  made = settings();
  const auto key = server_.key_pem();
  made.key_file = write("cut.pem", key.substr(0, key.size() / 2));
  EXPECT_THAT(error(made), HasSubstr("can't be read"));
  made = settings();
  made.cert_file.clear();
  EXPECT_THAT(error(made), HasSubstr("tls_server_config.cert holds no certificate"));
}

TEST_F(Tls, RefusesAKeyWithAPassphraseAndSaysHowToTakeItOff) {
  auto made = settings();
  made.key_file = write("locked.pem", server_.key_pem("secret"));
  EXPECT_EQ(error(made), "tls_server_config.key_file " + made.key_file +
                             " is encrypted, and nobody is there to enter its passphrase; `openssl pkey -in " +
                             made.key_file + " -out NEW` writes it without");
}

TEST_F(Tls, RefusesAKeyThatIsNotTheCertificates) {
  auto made = settings();
  made.key_file = write("other.pem", friend_.key_pem());
  EXPECT_THAT(error(made), AllOf(HasSubstr("tls_server_config.key_file " + made.key_file + " does not belong"),
                                 HasSubstr("cert_file " + made.cert_file)));
  made.cert_file = write("reversed.pem", authority_.pem() + server_.pem());
  made.key_file = settings().key_file;
  EXPECT_THAT(error(made), HasSubstr("put the server's own certificate first"));
}

TEST_F(Tls, RefusesACertificateThatClientsWouldNotTake) {
  const Key short_key(EVP_RSA_gen(1024), EVP_PKEY_free);
  const auto weak = issue({.name = "weak", .sans = "DNS:localhost"}, nullptr, short_key);
  auto made = settings();
  made.cert_file = write("weak.pem", weak.pem());
  made.key_file = write("weak.key", weak.key_pem());
  EXPECT_THAT(error(made), AllOf(HasSubstr("key too small"), HasSubstr("RSA key of 2048 bits")));
}

}  // namespace
}  // namespace wal_exporter::web
