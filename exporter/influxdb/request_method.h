// The `http` method: a request that the user describes, for servers that offer a
// checkpoint of their own; with the same proof on the WAL as every other method:
// 1.x and 2.x the segments that were there are gone, 3.x a snapshot covers the
// last file that was pending.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/log.h"
#include "influxdb/checkpoint_method.h"
#include "influxdb/method_kind.h"
#include "influxdb/options.h"

namespace wal_exporter::influxdb {

// The token is sent as `Authorization: Bearer`.
struct RequestOptions : Endpoint, HttpRequest {
  Duration timeout = std::chrono::minutes(2);  // the request and the proof together
};

[[nodiscard]] std::unique_ptr<CheckpointMethod> make_request_method(RequestOptions options,
                                                                    std::shared_ptr<wal::WalSource> source,
                                                                    std::shared_ptr<Clock> clock, Log log);

// Its row in the table of methods.
extern const MethodKind kRequestKind;

}  // namespace wal_exporter::influxdb
