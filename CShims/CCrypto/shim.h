#pragma once
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

/// A fresh P-256 key pair (EVP_EC_gen is a variadic macro).
static inline EVP_PKEY *CCrypto_new_p256_key(void) { return EVP_EC_gen("P-256"); }

/// The bytes of a memory BIO (BIO_get_mem_data is a macro); they belong to the BIO.
static inline long CCrypto_bio_bytes(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }
