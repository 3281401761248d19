// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Runs `body`, which may block, on a thread of its own, so that no thread of the tests waits.
func onThread<Value: Sendable>(
    _ body: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        let thread = Thread { continuation.resume(with: Result(catching: body)) }
        thread.stackSize = 4 << 20
        thread.start()
    }
}

/// Runs `body` for every element at once, each on a thread of its own.
///
/// - Returns: the results in the order of `elements`.
func allAtOnce<Element: Sendable, Value: Sendable>(
    _ elements: [Element], _ body: @escaping @Sendable (Element) throws -> Value
) async throws -> [Value] {
    try await withThrowingTaskGroup(of: (Int, Value).self) { group in
        for (index, element) in elements.enumerated() {
            group.addTask { (index, try await onThread { try body(element) }) }
        }
        var results: [Int: Value] = [:]
        for try await (index, value) in group { results[index] = value }
        return elements.indices.compactMap { results[$0] }
    }
}

/// Asks again and again until `isTrue`, for what the server tells only when asked.
///
/// - Throws: `WireFault.deadline` when it has not become true in time.
func eventually(
    _ what: String, within limit: Duration = .seconds(60),
    _ isTrue: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !isTrue() {
        guard ContinuousClock.now < deadline else { throw WireFault.deadline(what) }
    }
}
