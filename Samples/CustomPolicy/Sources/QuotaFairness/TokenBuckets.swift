// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// What each client has saved up of its quota; below zero what it owes.
///
/// A bucket fills at the client's rate up to its burst, and owes no more than that, so nobody waits
/// longer than `2 * burst / rate` for being within its quota again.
struct TokenBuckets {
    private struct Bucket: Equatable {
        var level: Double
        var weight: Double
        var updated: Instant
    }

    private let rate: Double
    private let burst: Double
    private var buckets: [UInt32: Bucket] = [:]

    /// Beyond so many clients the fullest buckets are forgotten.
    static let most = 4_096

    /// Bytes of a bucket in ``bytes``.
    private static let recordBytes = 32

    init(rate: Double, burst: Double) {
        self.rate = rate
        self.burst = burst
    }

    /// What a client has at a moment; a client that is not known has all that it may save.
    func level(of client: UInt32, weight: Double, at now: Instant) -> Double {
        guard let bucket = buckets[client] else { return burst * weight }
        return level(of: bucket, weight: weight, at: now)
    }

    mutating func take(_ tokens: Double, from client: UInt32, weight: Double, at now: Instant) {
        let level = level(of: client, weight: weight, at: now) - max(0, tokens)
        buckets[client] = Bucket(
            level: max(-burst * weight, level), weight: weight, updated: now)
    }

    private func level(of bucket: Bucket, weight: Double, at now: Instant) -> Double {
        let seconds = max(0, bucket.updated.duration(to: now).inSeconds)
        let level = bucket.level + rate * weight * seconds
        return max(-burst * weight, min(burst * weight, level))
    }

    /// Forgets clients where there are too many: first those with full buckets, who lose nothing.
    mutating func trim(at now: Instant) {
        guard buckets.count > 2 * Self.most else { return }
        let owing = buckets.map { client, bucket in
            (
                need: burst - level(of: bucket, weight: bucket.weight, at: now) / bucket.weight,
                client: client
            )
        }.sorted { ($1.need, $0.client) < ($0.need, $1.client) }
        for (_, client) in owing.dropFirst(Self.most) { buckets[client] = nil }
    }

    // MARK: - State

    /// Client, level, weight and time of each bucket, by client, each as eight bytes, the lowest first.
    var bytes: [UInt8] {
        buckets.sorted { $0.key < $1.key }.flatMap { client, bucket in
            [
                UInt64(client), bucket.level.bitPattern, bucket.weight.bitPattern,
                UInt64(bitPattern: bucket.updated.nanoseconds),
            ].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
        }
    }

    /// Takes buckets over from ``bytes``; nothing changes where they are no buckets.
    mutating func restore(_ bytes: [UInt8]) throws(PolicyError) {
        guard bytes.count.isMultiple(of: Self.recordBytes),
            bytes.count / Self.recordBytes <= 2 * Self.most
        else { throw PolicyError("\(bytes.count) bytes are no list of buckets") }
        var restored: [UInt32: Bucket] = [:]
        for start in stride(from: 0, to: bytes.count, by: Self.recordBytes) {
            let words = (0..<4).map { Self.word(of: bytes, at: start + 8 * $0) }
            let bucket = Bucket(
                level: Double(bitPattern: words[1]), weight: Double(bitPattern: words[2]),
                updated: Instant(nanoseconds: Int64(bitPattern: words[3])))
            guard let client = UInt32(exactly: words[0]), restored[client] == nil,
                bucket.level.isFinite, bucket.weight.isFinite, bucket.weight > 0
            else { throw PolicyError("bucket \(start / Self.recordBytes) is damaged") }
            restored[client] = bucket
        }
        buckets = restored
    }

    private static func word(of bytes: [UInt8], at start: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(bytes[start + $1]) << (8 * UInt64($1)) }
    }
}
