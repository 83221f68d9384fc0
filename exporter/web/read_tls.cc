#include "web/read_tls.h"

#include <openssl/tls1.h>

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace wal_exporter::web {
namespace {

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

// What Go's tls.CipherSuites() names, and OpenSSL's names for TLS 1.2. Those of TLS 1.3 can't be
// chosen in either.
const Pairs kSuites = {
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
};
constexpr std::array<std::string_view, 3> kSuites13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                                       "TLS_CHACHA20_POLY1305_SHA256"};
// What Go's tls.InsecureCipherSuites() names: known, and weak.
constexpr std::array<std::string_view, 12> kWeakSuites = {
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
};
const Pairs kCurves = {{"CurveP256", "P-256"}, {"CurveP384", "P-384"}, {"CurveP521", "P-521"}, {"X25519", "X25519"}};

const std::vector<std::pair<std::string_view, ClientAuth>> kClientAuth = {
    {"NoClientCert", ClientAuth::none},
    {"RequestClientCert", ClientAuth::request},
    {"RequireAnyClientCert", ClientAuth::require_any},
    {"VerifyClientCertIfGiven", ClientAuth::verify_if_given},
    {"RequireAndVerifyClientCert", ClientAuth::require_and_verify},
    {"RequireClientCert", ClientAuth::require_any},  // the toolkit's older name of RequireAnyClientCert
};

class TlsReading {
 public:
  explicit TlsReading(WebReader& reader) : reader_(reader) {}

  std::optional<TlsSettings> read(const YamlEntry& entry);

 private:
  void read_key(const YamlEntry& entry, TlsSettings& out);
  void read_version(const YamlEntry& entry, int& out);
  void read_suites(const YamlEntry& entry, TlsSettings& out);
  void check(int line, TlsSettings& out);
  [[nodiscard]] int line_of(const std::string& key, int otherwise) const;

  WebReader& reader_;
  std::map<std::string, int> lines_;  // of the keys that say something
  bool only_tls13_ = false;           // cipher_suites leaves nothing for TLS 1.2
};

int TlsReading::line_of(const std::string& key, int otherwise) const {
  const auto found = lines_.find(key);
  return found == lines_.end() ? otherwise : found->second;
}

void TlsReading::read_version(const YamlEntry& entry, int& out) {
  const std::string path = std::string(kTlsSection) + "." + entry.key;
  const auto word = reader_.text(entry, path);
  if (!word) return;
  if (*word == "TLS12") {
    out = TLS1_2_VERSION;
  } else if (*word == "TLS13") {
    out = TLS1_3_VERSION;
  } else if (*word == "TLS10" || *word == "TLS11") {
    reader_.mistake(entry.line,
                    path + ": " + *word + " is not spoken here: it is broken (RFC 8996); write TLS12 or TLS13");
  } else {
    reader_.mistake(entry.line, path + ": " + in_quotes(*word) + " is no version of TLS; write TLS12 or TLS13");
  }
}

void TlsReading::read_suites(const YamlEntry& entry, TlsSettings& out) {
  const std::string path = std::string(kTlsSection) + "." + entry.key;
  bool of_13 = false;
  for (const auto& [name, line] : reader_.list(entry, path)) {
    const auto found = find_in(kSuites, name);
    if (found != kSuites.end()) {
      if (!holds(out.cipher_suites, found->second)) out.cipher_suites.emplace_back(found->second);
    } else if (holds(kSuites13, name)) {
      of_13 = true;
    } else if (holds(kWeakSuites, name)) {
      reader_.mistake(
          line, path + ": " + name + " is weak and not offered here; take it out, or take one of " + names_of(kSuites));
    } else {
      reader_.mistake(line, path + ": " + in_quotes(name) + " is no cipher suite that Go has by that name; known are " +
                                names_of(kSuites) + ", " + join(kSuites13, ", "));
    }
  }
  only_tls13_ = of_13 && out.cipher_suites.empty();
  if (of_13) {
    reader_.note(entry.line, path + ": suites of TLS 1.3 can't be chosen, as in Go: all of them stay on" +
                                 (only_tls13_ ? "; as the list has none for TLS 1.2, only TLS 1.3 is spoken" : ""));
  }
}

void TlsReading::read_key(const YamlEntry& entry, TlsSettings& out) {
  const std::string path = std::string(kTlsSection) + "." + escape_control(entry.key);
  const std::map<std::string_view, std::string TlsSettings::*> texts = {
      {"cert_file", &TlsSettings::cert_file},
      {"key_file", &TlsSettings::key_file},
      {"client_ca_file", &TlsSettings::client_ca_file},
      {"cert", &TlsSettings::cert},
      {"key", &TlsSettings::key},
      {"client_ca", &TlsSettings::client_ca}};
  if (const auto found = texts.find(entry.key); found != texts.end()) {
    const auto value = reader_.text(entry, path);
    if (!value || value->empty()) return;
    const bool file = entry.key.ends_with("_file");
    out.*found->second = file ? reader_.path_in_folder(*value) : *value;
    lines_[entry.key] = entry.line;
    if (file) reader_.watch(out.*found->second);
  } else if (entry.key == "client_auth_type") {
    const auto word = reader_.text(entry, path);
    if (!word || word->empty()) return;
    lines_[entry.key] = entry.line;
    const auto type = find_in(kClientAuth, *word);
    if (type != kClientAuth.end()) out.client_auth = type->second;
    if (type == kClientAuth.end()) {
      reader_.mistake(entry.line, path + ": " + in_quotes(*word) + " is none of NoClientCert, RequestClientCert, " +
                                      "RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert");
    }
  } else if (entry.key == "client_allowed_sans") {
    if (entry.value->kind != YamlNode::Kind::null) lines_[entry.key] = entry.line;
    for (auto& [name, line] : reader_.list(entry, path)) out.client_allowed_sans.push_back(std::move(name));
    if (entry.value->kind == YamlNode::Kind::list && entry.value->items.empty()) {
      reader_.mistake(entry.line,
                      path + " is empty, which would let no client in; list their names or take the key out");
    }
  } else if (entry.key == "min_version") {
    lines_[entry.key] = entry.line;
    read_version(entry, out.min_version);
  } else if (entry.key == "max_version") {
    lines_[entry.key] = entry.line;
    read_version(entry, out.max_version);
  } else if (entry.key == "cipher_suites") {
    if (!entry.value->items.empty()) lines_[entry.key] = entry.line;
    read_suites(entry, out);
  } else if (entry.key == "prefer_server_cipher_suites") {
    lines_[entry.key] = entry.line;
    if (const auto value = reader_.boolean(entry, path)) out.prefer_server_cipher_suites = *value;
  } else if (entry.key == "curve_preferences") {
    if (!entry.value->items.empty()) lines_[entry.key] = entry.line;
    for (const auto& [name, line] : reader_.list(entry, path)) {
      const auto curve = find_in(kCurves, name);
      if (curve != kCurves.end()) out.curves.emplace_back(curve->second);
      if (curve == kCurves.end())
        reader_.mistake(line, path + ": " + in_quotes(name) + " is none of " + names_of(kCurves));
    }
  } else {
    reader_.mistake(entry.line,
                    "unknown key " + in_quotes(entry.key) + " in " + std::string(kTlsSection) +
                        "; known are cert_file, key_file, cert, key, client_auth_type, client_ca_file, client_ca, "
                        "client_allowed_sans, min_version, max_version, cipher_suites, "
                        "prefer_server_cipher_suites and curve_preferences");
  }
}

// What the keys say together; the first that is wrong.
void TlsReading::check(int line, TlsSettings& out) {
  const std::string begin = std::string(kTlsSection) + ": ";
  for (const auto* key : {"cert", "key", "client_ca"}) {
    const std::string file = std::string(key) + "_file";
    if (lines_.contains(key) && lines_.contains(file)) {
      reader_.mistake(lines_.at(file), begin + "both " + key + " and " + file + " are set; keep one of them");
    }
  }
  for (const auto* key : {"cert", "key"}) {
    const std::string file = std::string(key) + "_file";
    if (lines_.contains(key) || lines_.contains(file)) continue;
    reader_.mistake(line, begin + "" + file + " (or " + key +
                              ") is missing, so there could be no TLS; set it, or take the "
                              "section out");
  }
  const bool ca = lines_.contains("client_ca") || lines_.contains("client_ca_file");
  if (ca && out.client_auth == ClientAuth::none) {
    reader_.mistake(line_of("client_ca_file", line_of("client_ca", line)),
                    begin +
                        "client_ca_file is set, and no client is asked for a certificate; set client_auth_type: "
                        "RequireAndVerifyClientCert");
  }
  const bool required = out.client_auth == ClientAuth::require_any || out.client_auth == ClientAuth::require_and_verify;
  if (lines_.contains("client_allowed_sans") && !required) {
    reader_.mistake(lines_.at("client_allowed_sans"),
                    begin +
                        "client_allowed_sans takes effect only where each client must show a certificate; set "
                        "client_auth_type: RequireAndVerifyClientCert");
  }
  if (out.min_version == 0) out.min_version = TLS1_2_VERSION;
  if (out.max_version == 0) out.max_version = TLS1_3_VERSION;
  if (out.min_version > out.max_version) {
    reader_.mistake(lines_.at("min_version"), begin +
                                                  "min_version is above max_version, so that no client could connect; "
                                                  "lower the one or raise the other");
  }
  if (!only_tls13_) return;
  if (out.max_version < TLS1_3_VERSION) {
    reader_.mistake(lines_.at("cipher_suites"),
                    begin +
                        "cipher_suites has only suites of TLS 1.3, and max_version is TLS12, "
                        "so that no client could connect; add a suite of TLS 1.2");
  }
  out.min_version = TLS1_3_VERSION;
}

std::optional<TlsSettings> TlsReading::read(const YamlEntry& entry) {
  const YamlNode* map = reader_.section(entry);
  if (map == nullptr) return std::nullopt;
  const std::size_t before = reader_.mistakes().size();
  TlsSettings settings;
  for (const auto& key : map->entries) read_key(key, settings);
  // Misspelt keys come first: they are why others are missing.
  if (reader_.mistakes().size() != before) return std::nullopt;
  // As tools write it that fill in every key: texts and lists that are empty say nothing.
  if (lines_.empty()) {
    reader_.note(entry.line,
                 std::string(kTlsSection) + " says nothing, so plain HTTP is spoken; set cert_file and key_file");
    return std::nullopt;
  }
  check(entry.line, settings);
  return settings;
}

}  // namespace

std::optional<TlsSettings> read_tls(WebReader& reader, const YamlEntry& entry) {
  return TlsReading(reader).read(entry);
}

}  // namespace wal_exporter::web
