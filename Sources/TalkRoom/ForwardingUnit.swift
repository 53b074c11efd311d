internal import GLibLoop

/// The media side of the embedded room: takes publishers' sound and hands it to their subscribers. On the room's loop.
actor ForwardingUnit {
  private nonisolated let loop: GLibExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private var faults = RoomFaults()

  init(address: String, on loop: GLibExecutor, report: @escaping @Sendable (MediaEvent) -> Void) {
    self.loop = loop
  }

  func close() async {}

  func setFaults(_ faults: RoomFaults) { self.faults = faults }

  func carryOut(_ command: MediaCommand) {}
}
