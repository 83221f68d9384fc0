// A handler that is asked without a socket.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support.h"
#include "web/handler.h"
#include "web/password.h"

namespace wal_exporter::web {

class Routes : public testing::Test {
 protected:
  Response ask(const std::string& method, const std::string& target, std::vector<Header> headers = {}) {
    Request request;
    request.method = method;
    const auto mark = target.find('?');
    request.path = target.substr(0, mark);
    if (mark != std::string::npos) request.query = target.substr(mark + 1);
    request.version = "1.1";
    request.peer = peer_;
    request.peer_user = 0;
    request.headers = std::move(headers);
    request.body = body_;
    request.headers.push_back({"Host", "localhost:3002"});
    return handler_.handle(request, users_);
  }
  Response get(const std::string& target) { return ask("GET", target); }
  Response post(const std::string& target, std::vector<Header> headers = {}) {
    return ask("POST", target, std::move(headers));
  }
  static Json json(const Response& response) { return Json::parse(response.body); }
  static std::vector<std::string> keys(const Json& object) {
    std::vector<std::string> out;
    for (const auto& [key, value] : object.items()) out.push_back(key);
    return out;
  }
  static std::string header(const Response& response, const std::string& name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "(absent)";
  }
  void with_users() {
    const auto hash = hash_password("secret", "$2b$04$abcdefghijklmnopqrstuu").value();
    users_ = Users({{"alice", hash}});
  }
  void publish(view::TargetView target) { world_.views.publish(view_of({std::move(target)})); }

  World world_;
  Users users_;
  std::string peer_ = "127.0.0.1";
  std::string body_;
  Handler handler_{world_.dependencies(), 1, 1};
};

inline const std::vector<Header> kLogin = {{"Authorization", "Basic YWxpY2U6c2VjcmV0"}};  // alice:secret

}  // namespace wal_exporter::web
