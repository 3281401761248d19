// SPDX-License-Identifier: Apache-2.0

import Foundation
import Inference
import ModelLoading

/// Seconds until a model from files is packed, with those files in the page cache.
struct StartTimes: Codable {
    var packing: Double
    /// Writing the cache, which the host does while it serves; then a start from it.
    var writing: Double
    var second: Double

    /// The best of some starts each; nil for a synthetic model, which has no files.
    static func measure(
        _ weights: ModelWeights, type: WeightType, threads: Int
    ) throws -> StartTimes? {
        guard !weights.files.isEmpty else { return nil }
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "burrow-benchmark-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let cache = PackedModelCache(directory: folder.path, limitBytes: 1 << 44)
        let clock = ContinuousClock()
        func start(_ cache: PackedModelCache?) throws -> (PackedModel, Double) {
            let start = clock.now
            let model = try PackedModel(weights, type: type, threads: threads, cache: cache)
            return (model, (clock.now - start).seconds)
        }
        let packing = try (0..<3).map { _ in try start(nil).1 }.min() ?? 0
        let first = try start(cache).0
        let writing = try clock.measure { try first.keep() }.seconds
        let second =
            try (0..<3).map { _ in
                let (model, time) = try start(cache)
                // A start that did not read the cache is no second start.
                return model.cacheOutcome == .read ? time : .infinity
            }.min() ?? 0
        return StartTimes(packing: packing, writing: writing, second: second)
    }
}
