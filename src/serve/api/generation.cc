#include "serve/api/generation.h"

#include <algorithm>
#include <iterator>

#include "serve/api/json.h"

namespace loquat::serve::api {

Reservation::Reservation(std::shared_ptr<Meter> meter, const Caller& caller, int64_t tokens)
    : meter_(std::move(meter)), caller_(caller), tokens_(tokens) {
  if (!meter_) return;
  if (auto error = meter_->reserve(caller_, tokens_)) throw Wrong{*std::move(error)};
}

void Reservation::settle(const Usage& used) {
  if (!std::exchange(open_, false) || !meter_) return;
  meter_->settle(caller_, tokens_, used.prompt_tokens, used.completion_tokens);
}

Generation::Generation(std::shared_ptr<Exchange> exchange, std::unique_ptr<ReplyWriter> writer, int per_call,
                       size_t choices, int64_t reserved)
    : per_call_(per_call),
      exchange_(std::move(exchange)),
      writer_(std::move(writer)),
      reservation_(exchange_->service().meter, exchange_->caller(), reserved),
      choices_(choices) {}

void Generation::start(std::shared_ptr<Exchange> exchange, std::shared_ptr<ServedModel> model,
                       std::vector<GenerateCall> calls, std::unique_ptr<ReplyWriter> writer) {
  int64_t reserved = 0;
  for (const GenerateCall& call : calls) {
    reserved += static_cast<int64_t>(call.prompt.size()) + call.n * call.sampling.max_tokens;
  }
  exchange->drop_body();
  const int n = calls.front().n;
  const size_t choices = calls.size() * static_cast<size_t>(n);
  auto self = std::make_shared<Generation>(exchange, std::move(writer), n, choices, reserved);
  for (size_t i = 0; i < calls.size(); ++i) {
    const int offset = static_cast<int>(i) * n;
    auto begun = model->generate(std::move(calls[i]),
                                 [self, offset](GenerateEvent&& event) { self->event(offset, std::move(event)); });
    if (const auto* error = std::get_if<ApiError>(&begun)) {
      {
        std::lock_guard lock(self->mutex_);
        for (size_t left = static_cast<size_t>(offset); left < choices; ++left) {
          self->choices_[left].ended = true;
          ++self->ended_;
        }
        self->fail(*error);
        if (self->ended_ == choices) self->close();
      }
      self->cancel();
      return;
    }
    std::lock_guard lock(self->calls_mutex_);
    if (!self->closed_) self->calls_.push_back(std::get<0>(std::move(begun)));
  }
  // Before began(), which may give the whole answer: nobody is asked to tell of a client that has it.
  exchange->reply().on_gone([weak = std::weak_ptr<Generation>(self)] {
    if (const auto alive = weak.lock()) alive->cancel();
  });
  self->began();
}

void Generation::began() {
  bool stop = false;
  {
    std::lock_guard lock(mutex_);
    begun_ = true;
    writer_->begin();
    stop = advance();
  }
  if (stop) cancel();
}

// A call's cancel() may bring its last events at once, which take mutex_: never called with it held.
void Generation::cancel() {
  std::vector<std::shared_ptr<Generating>> calls;
  {
    std::lock_guard lock(calls_mutex_);
    calls = calls_;
  }
  for (const auto& call : calls) call->cancel();
}

void Generation::event(int offset, GenerateEvent&& event) {
  bool stop = false;
  {
    std::lock_guard lock(mutex_);
    Choice& choice = choices_[static_cast<size_t>(offset + event.choice)];
    GenerateEvent& held = choice.held;
    choice.fresh = true;
    if (!event.text.empty() || !event.reasoning.empty() || !event.tokens.empty()) exchange_->tokens_arrived();
    if (held.prompt.empty()) held.prompt = std::move(event.prompt);
    held.reasoning += event.reasoning;
    held.text += event.text;
    std::move(event.tokens.begin(), event.tokens.end(), std::back_inserter(held.tokens));
    if (event.finish && !choice.ended) {
      held.finish = event.finish;
      choice.ended = true;
      choice.usage = event.usage;
      ++ended_;
    }
    stop = advance();
  }
  if (stop) cancel();
}

bool Generation::advance() {
  const bool all = ended_ == choices_.size();
  bool stop = false;
  if (begun_ && !over_) stop = flush();
  if (!all || (!begun_ && !over_)) return stop;
  close();
  return false;
}

// What may be sent now is sent.
bool Generation::flush() {
  http::Reply& reply = exchange_->reply();
  const bool all = ended_ == choices_.size();
  if (reply.gone()) {
    over_ = true;
    return true;
  }
  for (const Choice& choice : choices_) {
    const auto finish = choice.held.finish;
    if (finish == Finish::kDeadline) {
      fail({504, "The reply took longer than this server allows.", "server_error", "", "deadline_exceeded"});
      return true;
    }
    if (finish == Finish::kCancelled) {
      fail({503, "The reply was ended: the model or the server is being stopped.", "server_error", "", "cancelled"});
      return true;
    }
  }
  if (!all && (!writer_->streams() || reply.waiting() > kSlowReader)) return false;
  for (size_t i = 0; i < choices_.size(); ++i) {
    Choice& choice = choices_[i];
    if (!choice.fresh) continue;
    choice.fresh = false;
    exchange_->reply_text(choice.held.text);
    writer_->piece(static_cast<int>(i), std::exchange(choice.held, {}));
  }
  if (!all && reply.gone()) {
    over_ = true;
    return true;
  }
  return false;
}

void Generation::fail(const ApiError& error) {
  over_ = true;
  exchange_->set_usage(usage());
  if (begun_) {
    writer_->fail(error);
  } else {
    exchange_->send_error(error);
  }
}

// All choices have ended.
void Generation::close() {
  const Usage used = usage();
  reservation_.settle(used);
  exchange_->set_usage(used);
  if (!over_) writer_->end(used);
  if (over_ && exchange_->reply().gone()) exchange_->client_gone();
  over_ = true;
  std::lock_guard lock(calls_mutex_);
  closed_ = true;
  calls_.clear();
}

// A prompt counts once, however many choices it has.
Usage Generation::usage() const {
  Usage sum;
  for (size_t i = 0; i < choices_.size(); ++i) {
    const Usage& one = choices_[i].usage;
    sum.completion_tokens += one.completion_tokens;
    sum.reasoning_tokens += one.reasoning_tokens;
    if (i % static_cast<size_t>(per_call_) != 0) continue;
    sum.prompt_tokens += one.prompt_tokens;
    sum.cached_tokens += one.cached_tokens;
  }
  return sum;
}

}  // namespace loquat::serve::api
