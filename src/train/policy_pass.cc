// The pass of on-policy updates (policy_pass.h).
#include "train/policy_pass.h"

#include <cmath>
#include <cstring>

namespace loquat {

Status PolicyPass::check_ratio(const Episode& e, std::span<const float> now) const {
  for (size_t t = 0; t < e.logprob.size(); ++t) {
    if (std::memcmp(&now[t], &e.logprob[t], sizeof(float)) == 0) continue;
    return Err(
        "{}: before the first update the probability ratio must be exactly 1, but token {} of a reply was "
        "sampled with log-probability {:.9g} and now has {:.9g}: sampling and training disagree (a defect of "
        "the kernels \"{}\"; LOQUAT_ISA=reference avoids them)",
        stage_, t, e.logprob[t], now[t], policy_.kernels().name);
  }
  return {};
}

Result<int64_t> PolicyPass::run(std::span<const Episode* const> episodes, bool check, PolicySums& sums,
                                const Slopes& f) {
  std::vector<int64_t> lengths;
  for (const Episode* e : episodes) lengths.push_back(static_cast<int64_t>(e->tokens.size()));
  ForwardOptions forward;  // no dropout: the ratio would not begin at 1
  forward.keep_for_backward = true;
  forward.recompute = training_.recompute;
  const auto temperature = static_cast<float>(temperature_);
  int64_t tokens = 0;
  for (const auto& [begin, end] : cut_by_tokens(lengths, training_.micro_tokens)) {
    packed_.clear();
    for (size_t i = begin; i < end; ++i) packed_.push_back({episodes[i]->tokens, episodes[i]->prompt});
    micro_.clear();
    micro_.add_replies(packed_, policy_.kernels().shared_prefixes);
    const Mat hidden = policy_.forward(micro_.batch, forward);
    const auto now = policy_.log_probs(hidden, micro_.rows, micro_.targets, temperature, true);
    slopes_.resize(now.logprob.size());
    size_t at = 0;
    for (size_t i = begin; i < end; ++i) {
      const Episode& e = *episodes[i];
      const size_t n = e.logprob.size();
      const auto own = std::span(now.logprob).subspan(at, n);
      if (check) TRY_STATUS(check_ratio(e, own));
      f(e, own, std::span(slopes_).subspan(at, n));
      for (size_t t = 0; t < n; ++t) {
        const double log_ratio = static_cast<double>(own[t]) - e.logprob[t];
        sums.ratio += std::exp(log_ratio);
        sums.approximate_kl += std::expm1(log_ratio) - log_ratio;
        sums.entropy += now.entropy[at + t];
      }
      at += n;
    }
    sums.tokens += static_cast<double>(at);
    tokens += micro_.batch.rows();
    policy_.backward(micro_.batch,
                     policy_.log_probs_backward(hidden, micro_.rows, micro_.targets, temperature, now, slopes_));
  }
  return tokens;
}

}  // namespace loquat
