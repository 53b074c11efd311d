#pragma once
#include <opus.h>

// opus_encoder_ctl and opus_decoder_ctl are variadic, which the importer cannot call.
static inline int COpus_encoder_set(OpusEncoder *encoder, int request, opus_int32 value) {
  return opus_encoder_ctl(encoder, request, value);
}

static inline int COpus_decoder_set(OpusDecoder *decoder, int request, opus_int32 value) {
  return opus_decoder_ctl(decoder, request, value);
}

// The same call without an argument.
static inline int COpus_decoder_reset(OpusDecoder *decoder) { return opus_decoder_ctl(decoder, OPUS_RESET_STATE); }
