// SPDX-License-Identifier: Apache-2.0
import Glibc
import LoopIO
import Testing

@MainActor
@Suite(.serialized)
struct TCPStreamTests {
    /// What a stream did, in order.
    @MainActor
    final class Journal {
        var bytes: [UInt8] = []
        var events: [String] = []
        var stream: TCPStream?

        func follow(_ stream: TCPStream) {
            self.stream = stream
            stream.onBytes = { span in span.withUnsafeBufferPointer { self.bytes += $0 } }
            stream.onEnd = { self.events.append("end") }
            stream.onDrained = { self.events.append("drained") }
            stream.onClose = { error in
                self.events.append(error.map { "lost: \($0.code)" } ?? "closed")
            }
            stream.startReading()
        }
    }

    private func listen(_ bench: LoopBench, _ journal: Journal) throws -> TCPListener {
        try TCPListener(loop: bench.loop, host: "127.0.0.1", port: 0) { journal.follow($0) }
    }

    @Test(arguments: [
        ("nowhere", 80, LoopError.Code.invalidAddress), ("127.0.0.1", 70_000, .invalidAddress),
        ("127.0.0.1", -1, .invalidAddress), ("", 80, .invalidAddress),
        ("203.0.113.7", 0, .addressNotAvailable),
    ])
    func addressThatCannotBeUsedIsRefused(host: String, port: Int, code: LoopError.Code) throws {
        let bench = try LoopBench()
        let error = try #require(throws: LoopError.self) {
            try TCPListener(loop: bench.loop, host: host, port: port) { $0.close() }
        }
        #expect(error.code == code)
        try bench.close()
    }

    @Test(arguments: ["127.0.0.1", "localhost", "0.0.0.0"])
    func portZeroGivesTheRealPortAndKeepsIt(host: String) throws {
        let bench = try LoopBench()
        let first = try TCPListener(loop: bench.loop, host: host, port: 0) { $0.close() }
        #expect(first.port > 0)
        let error = try #require(throws: LoopError.self) {
            try TCPListener(loop: bench.loop, host: host, port: first.port) { $0.close() }
        }
        #expect(error.code == .addressInUse)
        first.close()
        try bench.close()
    }

    @Test func bytesComeAndGo() throws {
        let bench = try LoopBench()
        let journal = Journal()
        let listener = try listen(bench, journal)
        let client = try RawClient(port: listener.port)
        client.send(Array("ping".utf8))
        try bench.run { journal.bytes == Array("ping".utf8) }
        let stream = try #require(journal.stream)
        #expect(stream.peer.hasPrefix("127.0.0.1:"))
        stream.write(Array("pong".utf8))
        #expect(stream.bufferedBytes == 0)
        #expect(client.receive() == Array("pong".utf8))
        client.endWriting()
        try bench.run { journal.events == ["end"] }
        stream.write(Array("still here".utf8))
        #expect(client.receive() == Array("still here".utf8))
        stream.shutdown()
        stream.write(Array("never sent".utf8))
        try bench.run { client.receive() == [] }
        stream.close()
        stream.close()
        try bench.run { journal.events == ["end", "closed"] }
        listener.close()
        try bench.close()
    }

    @Test func largeWriteIsBufferedAndArrivesWhole() throws {
        let bench = try LoopBench()
        let journal = Journal()
        let listener = try listen(bench, journal)
        let client = try RawClient(port: listener.port)
        try bench.run { journal.stream != nil }
        let stream = try #require(journal.stream)
        // A length that no power of two divides, so that a lost or doubled part shows.
        let pattern = (0..<60_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        let expected = Array(repeatElement(pattern, count: 200).joined())
        stream.write(Array(expected[..<10_000_000]))
        #expect(stream.bufferedBytes > 0)
        let before = stream.bufferedBytes
        stream.write(Array(expected[10_000_000...]))
        #expect(stream.bufferedBytes == before + 2_000_000)
        stream.shutdown()
        var received: [UInt8] = []
        try bench.run {
            guard let bytes = client.receive(atMost: 1 << 20) else { return false }
            received += bytes
            return bytes.isEmpty
        }
        #expect(received == expected)
        #expect(journal.events == ["drained"])
        #expect(stream.bufferedBytes == 0)
        stream.close()
        listener.close()
        try bench.close()
    }

    @Test func resetByThePeerClosesOnce() throws {
        let bench = try LoopBench()
        let journal = Journal()
        let listener = try listen(bench, journal)
        do {
            let client = try RawClient(port: listener.port)
            client.resetOnClose()
            try bench.run { journal.stream != nil }
        }
        try bench.run { journal.events == ["lost: connectionLost"] }
        let stream = try #require(journal.stream)
        #expect(!stream.isOpen)
        stream.write([1])
        stream.close()
        #expect(stream.bufferedBytes == 0)
        listener.close()
        try bench.close()
        #expect(journal.events == ["lost: connectionLost"])
    }

    @Test func closeWithBufferedBytesLetsThemGo() throws {
        let bench = try LoopBench()
        let journal = Journal()
        let listener = try listen(bench, journal)
        let client = try RawClient(port: listener.port)
        try bench.run { journal.stream != nil }
        let stream = try #require(journal.stream)
        stream.write([UInt8](repeating: 7, count: 10_000_000))
        stream.close()
        try bench.run { journal.events == ["closed"] }
        #expect(client.receive() != nil)
        listener.close()
        try bench.close()
    }

    @Test func pausedReadingLeavesTheBytesWithTheSystem() throws {
        let bench = try LoopBench()
        let journal = Journal()
        let listener = try listen(bench, journal)
        let client = try RawClient(port: listener.port)
        try bench.run { journal.stream != nil }
        let stream = try #require(journal.stream)
        stream.stopReading()
        client.send([1, 2, 3])
        for _ in 0..<3 { try bench.run(until: once()) }
        #expect(journal.bytes.isEmpty)
        stream.startReading()
        try bench.run { journal.bytes == [1, 2, 3] }
        stream.close()
        listener.close()
        try bench.close()
    }

    @Test func pausedListenerLetsClientsWait() throws {
        let bench = try LoopBench()
        let journal = Journal()
        let listener = try listen(bench, journal)
        listener.pause()
        let client = try RawClient(port: listener.port)
        for _ in 0..<3 { try bench.run(until: once()) }
        #expect(journal.stream == nil)
        listener.resume()
        try bench.run { journal.stream != nil }
        journal.stream?.close()
        listener.close()
        try bench.close()
        _ = consume client
    }

    @Test func lackOfDescriptorsIsReportedAndEndsWithoutSpinning() async {
        await #expect(processExitsWith: .success) {
            try await MainActor.run { try acceptWithoutDescriptors() }
        }
    }

    /// A condition that holds from its second check on.
    private func once() -> () -> Bool {
        var checks = 0
        return {
            checks += 1
            return checks > 1
        }
    }
}

/// Takes the process's descriptors away and gives them back; changes the whole process.
@MainActor
private func acceptWithoutDescriptors() throws {
    let bench = try LoopBench()
    var (errors, turns) = (0, 0)
    var stream: TCPStream?
    let listener = try TCPListener(loop: bench.loop, host: "127.0.0.1", port: 0) { stream = $0 }
    listener.onAcceptError = { error in
        #expect(error.code == .outOfResources)
        errors += 1
    }
    let client = try RawClient(port: listener.port)
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    var none = rlimit(rlim_cur: 0, rlim_max: limit.rlim_max)
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none)
    let start = bench.loop.now
    try bench.run {
        turns += 1
        return errors == 2
    }
    // Two attempts a tenth of a second apart; a listener that spins would have had thousands.
    guard bench.loop.now - start >= 90_000_000, stream == nil else { exit(2) }
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    try bench.run { stream != nil }
    stream?.close()
    listener.close()
    try bench.close()
    _ = consume client
}
