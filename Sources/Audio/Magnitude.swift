/// The largest magnitude among `samples`, 0 if there are none; if one is not a number, then that.
///
/// Without their signs, numbers stand in the order of their bits, infinity and what is not a number above all others:
/// a comparison of integers, which the compiler does for many samples at once.
func highestMagnitude(of samples: Span<Float>) -> Float {
  var highest: UInt32 = 0
  for index in samples.indices { highest = max(highest, samples[index].bitPattern & 0x7FFF_FFFF) }
  return Float(bitPattern: highest)
}
