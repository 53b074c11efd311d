/// Learns from arrivals how late a network makes packets, and chooses the delay that is worth its price.
///
/// A histogram of the delays of the last packets, one millisecond a bucket. The choice minimises delay plus the price
/// of the packets that would come too late. Delays are in samples, relative to an origin that does not matter.
struct DelayEstimator {
  private static let bucketSize = 48
  private static let bucketCount = 2_048

  private var buckets = [Int32](repeating: 0, count: bucketCount)
  /// The delay at the lower edge of the first bucket.
  private var origin = 0
  /// The last packets' delays, oldest overwritten.
  private var recent: [Int]
  private var next = 0
  private var count = 0
  private var lowest = 0
  private var highest = 0
  /// Samples of delay that one percent of late packets is worth.
  private let lossCost: Int

  /// A delay that nearly all packets keep to.
  private(set) var choice = 0
  /// The delay of the fastest packets.
  private(set) var fastest = 0

  /// So many packets in a row, all slower than the choice, mean that the way has changed.
  private static let stepLength = 8

  init(memory: Int, lossCost: Int) {
    precondition(memory >= Self.stepLength, "a memory of \(memory) packets is too short")
    recent = Array(repeating: 0, count: memory)
    self.lossCost = lossCost
  }

  private var lastArrival: Int?
  private var endsOutage = false
  /// So long without a packet is an outage: 0.5 s.
  private static let outage = 24_000

  /// Takes a packet's delay into account.
  ///
  /// Packets that were dammed up by an outage and then come all at once are left out: they tell when it ended, not
  /// how long packets usually take.
  mutating func add(_ delay: Int, arrival: Int, duration: Int) {
    let pause = lastArrival.map { arrival - $0 } ?? 0
    lastArrival = arrival
    if pause > Self.outage {
      endsOutage = true
      return
    }
    if endsOutage, pause < duration / 2, delay > choice { return }
    endsOutage = false
    if count == 0 { origin = delay - Self.bucketCount / 4 * Self.bucketSize }
    if count == recent.count { remove(recent[next]) }
    if delay < origin || delay >= origin + Self.bucketCount * Self.bucketSize { recentre(delay) }
    insert(delay)
    recent[next] = delay
    next = (next + 1) % recent.count
    count = min(count + 1, recent.count)
    if hasStepped { forgetAllButTheStep() }
    choose()
  }

  /// Starts anew.
  mutating func forget() {
    count = 0
    choice = 0
    rebuild()
  }

  private mutating func insert(_ delay: Int) {
    let bucket = bucket(delay)
    buckets[bucket] += 1
    if count == 0 { (lowest, highest) = (bucket, bucket) }
    lowest = min(lowest, bucket)
    highest = max(highest, bucket)
  }

  private mutating func remove(_ delay: Int) {
    let bucket = bucket(delay)
    buckets[bucket] -= 1
    count -= 1
    guard count > 0 else { return }
    while lowest < highest, buckets[lowest] == 0 { lowest += 1 }
    while highest > lowest, buckets[highest] == 0 { highest -= 1 }
  }

  private func bucket(_ delay: Int) -> Int {
    min(max((delay - origin) / Self.bucketSize, 0), Self.bucketCount - 1)
  }

  /// Builds the histogram anew around a delay that lies outside. Rare: drift of a second, or a wild sender.
  private mutating func recentre(_ delay: Int) {
    origin = delay - Self.bucketCount / 2 * Self.bucketSize
    rebuild()
  }

  private mutating func rebuild() {
    for index in buckets.indices { buckets[index] = 0 }
    let total = count
    count = 0
    for age in stride(from: total, to: 0, by: -1) {
      insert(recent[(next - age + recent.count) % recent.count])
      count += 1
    }
  }

  private var hasStepped: Bool {
    guard count > Self.stepLength else { return false }
    for age in 1...Self.stepLength where delay(ofAge: age) <= choice + 240 { return false }
    return true
  }

  private func delay(ofAge age: Int) -> Int { recent[(next - age + recent.count) % recent.count] }

  private mutating func forgetAllButTheStep() {
    count = Self.stepLength
    rebuild()
  }

  /// What a better choice must save, so that the choice does not follow every packet: 5 ms.
  private static let hysteresis = 240

  private mutating func choose() {
    fastest = origin + lowest * Self.bucketSize
    var late = 0
    var best = (cost: Int.max, choice: 0)
    var currentCost = Int.max
    for bucket in stride(from: highest, through: lowest, by: -1) {
      let edge = origin + (bucket + 1) * Self.bucketSize
      if choice >= edge, currentCost == .max { currentCost = choice - fastest + late * 100 * lossCost / count }
      let cost = edge - fastest + late * 100 * lossCost / count
      if cost < best.cost { best = (cost, edge) }
      late += Int(buckets[bucket])
    }
    if currentCost == .max || best.cost < currentCost - Self.hysteresis { choice = best.choice }
  }
}
