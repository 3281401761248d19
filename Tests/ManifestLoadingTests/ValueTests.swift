// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import TestSupport
import Testing

@testable import ManifestLoading

@Suite struct ValueTests {
    static let durations: [(String, Duration)] = [
        ("0s", .zero), ("200us", .microseconds(200)), ("5ms", .milliseconds(5)),
        ("2s", .seconds(2)), ("1m", .seconds(60)), ("2h", .seconds(7200)),
        ("7ns", .nanoseconds(7)), ("1.5s", .milliseconds(1500)), ("0.001ms", .microseconds(1)),
        ("8784h", .seconds(366 * 86400)),
    ]

    @Test(arguments: durations)
    func durationIsRead(text: String, duration: Duration) throws {
        #expect(try Duration(manifest: text) == duration)
        #expect(try Duration(manifest: duration.manifestText) == duration)
    }

    @Test(arguments: [
        "", "s", "5", "-1s", "1 s", "1.s", ".5s", "1e3s", "1s ", "9000h", "1.2.3s", "٣s",
        "999999999999999999h", "99999999999999999999s", "0.0000000000000001ns",
    ])
    func faultyDurationIsRefused(text: String) {
        #expect(throws: ValueFault.self) { try Duration(manifest: text) }
    }

    static let sizes: [(String, Int64)] = [
        ("0", 0), ("4096", 4096), ("4096B", 4096), ("512MiB", 512 << 20), ("1GiB", 1 << 30),
        ("1KB", 1000), ("2MB", 2_000_000), ("3GB", 3_000_000_000), ("1.5KiB", 1536),
        ("1TiB", 1 << 40), ("1TB", 1_000_000_000_000),
    ]

    @Test(arguments: sizes)
    func sizeIsRead(text: String, bytes: Int64) throws {
        #expect(try ByteCount(manifest: text) == ByteCount(bytes))
        #expect(try ByteCount(manifest: ByteCount(bytes).manifestText) == ByteCount(bytes))
    }

    @Test(arguments: ["", "MiB", "-1", "1.5", "1Mib", "1 MiB", "99999999999TiB", "0x10", "1K"])
    func faultySizeIsRefused(text: String) {
        #expect(throws: ValueFault.self) { try ByteCount(manifest: text) }
    }

    @Test func writtenQuantitiesReadBack() throws {
        var random = SeededRandom(seed: 11)
        for _ in 0..<500 {
            let shift = Int64.random(in: 0...40, using: &random)
            let bytes = ByteCount(Int64.random(in: 0...4095, using: &random) << shift)
            #expect(try ByteCount(manifest: bytes.manifestText) == bytes)
            let nanoseconds = Int64.random(in: 0...1_000_000_000_000_000, using: &random)
            let duration = Duration.nanoseconds(nanoseconds)
            #expect(try Duration(manifest: duration.manifestText) == duration)
        }
    }

    static let addresses: [(String, String, UInt16)] = [
        ("127.0.0.1:8080", "127.0.0.1", 8080), ("[::1]:0", "::1", 0),
        ("localhost:80", "localhost", 80),
        ("[fe80::1]:65535", "fe80::1", 65535), ("a-b.example:1", "a-b.example", 1),
    ]

    @Test(arguments: addresses)
    func addressIsReadAndWritten(text: String, host: String, port: UInt16) throws {
        let address = try ListenAddress(parsing: text)
        #expect(address == ListenAddress(host: host, port: port))
        #expect(address.description == text)
    }

    @Test(arguments: [
        "", ":", "a", "a:", "a:b", "a:+1", "[]:1", "[::1:1", "::1]:1", "a b:1", "1.2:1",
    ])
    func faultyAddressIsRefused(text: String) {
        #expect(throws: ValueFault.self) { try ListenAddress(parsing: text) }
    }
}
