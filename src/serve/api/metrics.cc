#include "serve/api/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace loquat::serve::api {

using prometheus::Family;

struct Metrics::Impl {
  prometheus::Registry registry;
  Family<prometheus::Counter>& requests = prometheus::BuildCounter()
                                              .Name("loquat_requests_total")
                                              .Help("Requests answered, by route and HTTP status.")
                                              .Register(registry);
  Family<prometheus::Gauge>& running_family =
      prometheus::BuildGauge().Name("loquat_requests_running").Help("Requests being answered.").Register(registry);
  prometheus::Gauge& running = running_family.Add({});
  Family<prometheus::Counter>& tokens = prometheus::BuildCounter()
                                            .Name("loquat_tokens_total")
                                            .Help(
                                                "Tokens by model: read in prompts, of those taken from the prefix "
                                                "cache, and written in replies.")
                                            .Register(registry);
  Family<prometheus::Histogram>& duration = prometheus::BuildHistogram()
                                                .Name("loquat_request_duration_seconds")
                                                .Help("From a request's arrival to the end of its answer.")
                                                .Register(registry);
  Family<prometheus::Histogram>& first = prometheus::BuildHistogram()
                                             .Name("loquat_time_to_first_token_seconds")
                                             .Help("From a request's arrival to its reply's first token.")
                                             .Register(registry);
  Family<prometheus::Histogram>& interval = prometheus::BuildHistogram()
                                                .Name("loquat_time_per_output_token_seconds")
                                                .Help("Mean time between a reply's tokens after its first.")
                                                .Register(registry);
};

namespace {
const prometheus::Histogram::BucketBoundaries kLong = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                       1,     2.5,  5,     10,   30,  60,   300};
const prometheus::Histogram::BucketBoundaries kShort = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                        0.05,   0.1,   0.25,   0.5,   1,    2.5};
}  // namespace

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::request_begins() {
  impl_->running.Increment();
}

void Metrics::request_ends(const std::string& route, int status, double seconds) {
  impl_->running.Decrement();
  impl_->requests.Add({{"route", route}, {"status", std::to_string(status)}}).Increment();
  impl_->duration.Add({{"route", route}}, kLong).Observe(seconds);
}

void Metrics::tokens(const std::string& model, const Usage& usage) {
  const auto count = [&](const char* kind, int64_t n) {
    impl_->tokens.Add({{"model", model}, {"kind", kind}}).Increment(static_cast<double>(n));
  };
  count("prompt", usage.prompt_tokens);
  count("cached", usage.cached_tokens);
  count("completion", usage.completion_tokens);
}

void Metrics::first_token(const std::string& model, double seconds) {
  impl_->first.Add({{"model", model}}, kLong).Observe(seconds);
}

void Metrics::token_interval(const std::string& model, double seconds) {
  impl_->interval.Add({{"model", model}}, kShort).Observe(seconds);
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace loquat::serve::api
