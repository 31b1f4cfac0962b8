#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/check.h"

namespace loquat::http {
namespace {

std::string last_error() {
  const unsigned long code = ERR_get_error();
  const char* text = code ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return text ? text : "unknown error";
}

int no_passphrase(char*, int, int, void*) {
  return 0;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::load(const std::string& cert_file, const std::string& key_file) {
  if (cert_file.empty() || key_file.empty()) return Err("TLS needs both a certificate and its key");
  ERR_clear_error();
  SSL_CTX* raw = ::SSL_CTX_new(::TLS_server_method());
  CHECK(raw);
  auto context = std::make_shared<TlsContext>(raw);
  ::SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  ::SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  ::SSL_CTX_set_mode(raw,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  ::SSL_CTX_set_default_passwd_cb(raw, no_passphrase);  // else OpenSSL asks at the terminal
  if (::SSL_CTX_use_certificate_chain_file(raw, cert_file.c_str()) != 1) {
    return Err("{}: not a readable certificate in PEM format ({})", cert_file, last_error());
  }
  if (::SSL_CTX_use_PrivateKey_file(raw, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    const unsigned long code = ::ERR_peek_error();
    if (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH) {
      ERR_clear_error();
      return Err("{}: this key does not belong to the certificate in {}", key_file, cert_file);
    }
    return Err("{}: not a readable key in PEM format, without a passphrase ({})", key_file, last_error());
  }
  if (::SSL_CTX_check_private_key(raw) != 1) {
    ERR_clear_error();
    return Err("{}: this key does not belong to the certificate in {}", key_file, cert_file);
  }
  return context;
}

TlsContext::~TlsContext() {
  ::SSL_CTX_free(context_);
}

TlsSession::TlsSession(const TlsContext& context, int fd) : session_(::SSL_new(context.get())) {
  CHECK(session_);
  ::SSL_set_fd(session_, fd);
  ::SSL_set_accept_state(session_);
}

TlsSession::~TlsSession() {
  ::SSL_free(session_);
}

TlsSession::Outcome TlsSession::outcome(int result) {
  if (result > 0) return Outcome::kDone;
  const int error = ::SSL_get_error(session_, result);
  ERR_clear_error();
  if (error == SSL_ERROR_WANT_READ) return Outcome::kWantRead;
  if (error == SSL_ERROR_WANT_WRITE) return Outcome::kWantWrite;
  return Outcome::kEnd;
}

TlsSession::Outcome TlsSession::handshake() {
  ERR_clear_error();
  return outcome(::SSL_do_handshake(session_));
}

TlsSession::Outcome TlsSession::read(std::span<char> space, size_t& bytes) {
  ERR_clear_error();
  return outcome(::SSL_read_ex(session_, space.data(), space.size(), &bytes));
}

TlsSession::Outcome TlsSession::write(std::string_view text, size_t& bytes) {
  ERR_clear_error();
  return outcome(::SSL_write_ex(session_, text.data(), text.size(), &bytes));
}

void TlsSession::shutdown() {
  if (!::SSL_is_init_finished(session_)) return;
  ERR_clear_error();
  ::SSL_shutdown(session_);
  ERR_clear_error();
}

}  // namespace loquat::http
