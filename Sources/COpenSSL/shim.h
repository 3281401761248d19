// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// OpenSSL has much of its interface as macros, which Swift does not see.

static inline int burrow_ssl_set_min_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_min_proto_version(context, version);
}

static inline void burrow_ssl_set_server_modes(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                                     | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

// Takes over the certificate where it answers 1.
static inline int burrow_ssl_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add0_chain_cert(context, certificate);
}

static inline int burrow_select_http11(SSL *ssl, const unsigned char **chosen,
                                       unsigned char *chosen_length, const unsigned char *offered,
                                       unsigned int offered_length, void *unused) {
    static const unsigned char http11[] = "\x08http/1.1";
    (void)ssl;
    (void)unused;
    unsigned char *match = NULL;
    int result = SSL_select_next_proto(&match, chosen_length, http11, sizeof http11 - 1, offered,
                                       offered_length);
    *chosen = match;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static inline void burrow_ssl_select_http11(SSL_CTX *context) {
    SSL_CTX_set_alpn_select_cb(context, burrow_select_http11, NULL);
}

// An empty memory BIO says that it is to be asked again, not that it has ended.
static inline BIO *burrow_memory_bio(void) {
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL) BIO_set_mem_eof_return(bio, -1);
    return bio;
}

// Nobody is there to be asked for the password of a key.
static inline int burrow_no_password(char *buffer, int size, int writing, void *unused) {
    (void)buffer;
    (void)size;
    (void)writing;
    (void)unused;
    return -1;
}

static inline EVP_PKEY *burrow_read_key(BIO *bio) {
    return PEM_read_bio_PrivateKey(bio, NULL, burrow_no_password, NULL);
}

static inline X509 *burrow_read_certificate(BIO *bio) {
    return PEM_read_bio_X509(bio, NULL, burrow_no_password, NULL);
}

static inline int burrow_error_library(unsigned long error) { return ERR_GET_LIB(error); }
static inline int burrow_error_reason(unsigned long error) { return ERR_GET_REASON(error); }
