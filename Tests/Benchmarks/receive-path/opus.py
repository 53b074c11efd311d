"""libopus, as far as it is needed here: 48 kHz, mono, packets of 20 ms."""
import ctypes as C
import struct
import numpy as np

RATE, BLOCK = 48000, 960
_library = C.CDLL("libopus.so.0")
_library.opus_encoder_create.restype = _library.opus_decoder_create.restype = C.c_void_p
_library.opus_get_version_string.restype = C.c_char_p
VERSION = _library.opus_get_version_string().decode()


def encode(samples):
    """The packets of int16 samples, as a browser sends them in a call: 32 kbit/s, VBR, in-band FEC for 10 %, no DTX."""
    status = C.c_int()
    encoder = C.c_void_p(_library.opus_encoder_create(RATE, 1, 2048, C.byref(status)))
    for request, value in ((4002, 32000), (4006, 1), (4010, 9), (4012, 1), (4014, 10), (4016, 0)):
        assert _library.opus_encoder_ctl(encoder, request, C.c_int(value)) == 0
    packets, buffer = [], C.create_string_buffer(1500)
    for start in range(0, len(samples) - BLOCK + 1, BLOCK):
        block = np.ascontiguousarray(samples[start:start + BLOCK], dtype="<i2")
        size = _library.opus_encode(encoder, block.ctypes.data_as(C.c_void_p), BLOCK, buffer, len(buffer))
        assert size > 0
        packets.append(buffer.raw[:size])
    _library.opus_encoder_destroy(encoder)
    return packets


def decode(packets, restores=True):
    """What libopus makes of packets, some of them None: restored from the copy in the next one, else concealed."""
    status = C.c_int()
    decoder = C.c_void_p(_library.opus_decoder_create(RATE, 1, C.byref(status)))
    block = np.zeros(BLOCK, "<i2")
    pointer, sound = block.ctypes.data_as(C.c_void_p), []
    for packet, following in zip(packets, packets[1:] + [None]):
        if packet is not None:
            _library.opus_decode(decoder, packet, len(packet), pointer, BLOCK, 0)
        elif restores and following is not None:
            _library.opus_decode(decoder, following, len(following), pointer, BLOCK, 1)
        else:
            _library.opus_decode(decoder, None, 0, pointer, BLOCK, 0)
        sound.append(block.copy())
    _library.opus_decoder_destroy(decoder)
    return np.concatenate(sound)


def save(packets, path):
    """Each packet behind its length in two bytes, little-endian."""
    with open(path, "wb") as file:
        for packet in packets:
            file.write(struct.pack("<H", len(packet)) + packet)


def load(path):
    with open(path, "rb") as file:
        data = file.read()
    packets, at = [], 0
    while at < len(data):
        size, = struct.unpack_from("<H", data, at)
        packets.append(data[at + 2:at + 2 + size])
        at += 2 + size
    return packets
