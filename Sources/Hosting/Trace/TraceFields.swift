// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import PolicyKit
internal import StrictJSON

/// An object of a trace, read member by member; what is missing or out of range is an error.
nonisolated struct TraceFields {
    /// More tokens, pages or bytes than any machine has; sums over 4096 requests still fit.
    static let most = 1 << 40

    let object: JSONObject
    private let path: String

    init(_ json: JSONValue?, _ path: String) throws(TraceError) {
        guard case .object(let object) = json else {
            throw TraceError("\(path) must be an object, not \(json?.shown ?? "missing")")
        }
        self.object = object
        self.path = path
    }

    func has(_ name: String) -> Bool { object[name] != nil }

    func fields(_ name: String) throws(TraceError) -> TraceFields {
        try TraceFields(object[name], place(name))
    }

    func text(_ name: String) throws(TraceError) -> String {
        guard let text = object[name]?.string else { throw wrong(name, "a string") }
        return text
    }

    func flag(_ name: String) throws(TraceError) -> Bool {
        guard case .boolean(let flag) = object[name] else { throw wrong(name, "a boolean") }
        return flag
    }

    func integer(
        _ name: String, in range: ClosedRange<Int> = 0...most
    ) throws(TraceError) -> Int {
        try Self.integer(object[name], place(name), in: range)
    }

    func instant(_ name: String) throws(TraceError) -> Instant {
        try Self.instant(object[name], place(name))
    }

    func duration(_ name: String) throws(TraceError) -> Duration {
        .nanoseconds(try integer(name, in: 0...(1 << 60)))
    }

    /// The items of an array, of which there are `count` where that is given.
    func array(_ name: String, count: Int? = nil) throws(TraceError) -> [JSONValue] {
        guard case .array(let items) = object[name] else { throw wrong(name, "an array") }
        guard count == nil || items.count == count else {
            throw TraceError("\(place(name)) must have \(count ?? 0) items, not \(items.count)")
        }
        return items
    }

    func integers(_ name: String, count: Int? = nil) throws(TraceError) -> [Int] {
        var numbers: [Int] = []
        for item in try array(name, count: count) {
            numbers.append(try Self.integer(item, place(name), in: 0...Self.most))
        }
        return numbers
    }

    func adapters(_ name: String) throws(TraceError) -> [AdapterID] {
        var adapters: [AdapterID] = []
        for item in try array(name) { adapters.append(try Self.adapter(item, place(name))) }
        return adapters
    }

    func requests(_ name: String) throws(TraceError) -> [RequestID] {
        try integers(name).map { RequestID(rawValue: UInt64($0)) }
    }

    func mode(_ name: String) throws(TraceError) -> BatchMode {
        let items = try array(name)
        switch (items.first?.string, items.count) {
        case ("unmerged", 1): return .unmerged
        case ("merged", 2): return .merged(try Self.adapter(items[1], place(name)))
        case ("mixed", 2): return .mixed(try Self.adapter(items[1], place(name)))
        default: throw wrong(name, #"["unmerged"], ["merged", ADAPTER] or ["mixed", ADAPTER]"#)
        }
    }

    // MARK: - Values

    static func integer(
        _ json: JSONValue?, _ path: String, in range: ClosedRange<Int> = 0...most
    ) throws(TraceError) -> Int {
        guard let number = json?.exactInteger else {
            throw TraceError("\(path) must be an integer, not \(json?.shown ?? "missing")")
        }
        guard range.contains(number) else {
            throw TraceError(
                "\(path) must be from \(range.lowerBound) to \(range.upperBound), not \(number)")
        }
        return number
    }

    static func number(_ json: JSONValue?, _ path: String) throws(TraceError) -> Double {
        guard let number = json?.double else {
            throw TraceError("\(path) must be a number, not \(json?.shown ?? "missing")")
        }
        return number
    }

    static func instant(_ json: JSONValue?, _ path: String) throws(TraceError) -> Instant {
        Instant(nanoseconds: Int64(try integer(json, path, in: -(1 << 61)...(1 << 61))))
    }

    static func adapter(_ json: JSONValue?, _ path: String) throws(TraceError) -> AdapterID {
        AdapterID(rawValue: UInt32(try integer(json, path, in: 0...Int(UInt32.max))))
    }

    func place(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    func wrong(_ name: String, _ expected: String) -> TraceError {
        TraceError("\(place(name)) must be \(expected), not \(object[name]?.shown ?? "missing")")
    }
}
