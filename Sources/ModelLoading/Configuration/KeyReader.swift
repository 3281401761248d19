// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// Reads typed values out of a JSON object and collects what is wrong with them, so that one
/// attempt reports every fault; keys that nobody asked for can then be judged.
///
/// A faulty key yields a stand-in inside its range: whoever uses the values asks `problems` first.
struct KeyReader {
    let object: JSONObject
    /// Put before each key in messages: `rope_scaling.` for a nested object.
    let prefix: String
    private(set) var problems: [ModelLoadingError] = []
    private(set) var readKeys: Set<String> = []

    init(_ object: JSONObject, prefix: String = "") {
        self.object = object
        self.prefix = prefix
    }

    mutating func refuse(_ key: String, _ code: ModelLoadingError.Code, _ message: String) {
        problems.append(ModelLoadingError(code, message, key: prefix + key))
    }

    mutating func adopt(_ nested: KeyReader) {
        problems += nested.problems
    }

    /// The value of a key, where null counts as absent.
    mutating func value(_ key: String) -> JSONValue? {
        readKeys.insert(key)
        guard let value = object[key], value != .null else { return nil }
        return value
    }

    /// A whole number inside `range`; without a `fallback` the key must be there.
    mutating func count(_ key: String, in range: ClosedRange<Int>, fallback: Int? = nil) -> Int {
        guard let value = value(key) else {
            if fallback == nil { refuse(key, .invalidValue, "is missing; add it") }
            return fallback ?? range.lowerBound
        }
        guard let number = value.exactInteger, range.contains(number) else {
            refuse(
                key, .invalidValue,
                "must be a whole number from \(range.lowerBound) to \(range.upperBound), "
                    + "found \(value.excerpt)")
            return range.lowerBound
        }
        return number
    }

    /// A finite number above zero; without a `fallback` the key must be there.
    mutating func positive(_ key: String, fallback: Double? = nil) -> Double {
        guard let value = value(key) else {
            if fallback == nil { refuse(key, .invalidValue, "is missing; add it") }
            return fallback ?? 1
        }
        guard let number = value.double, number > 0, Float(number).isFinite else {
            refuse(key, .invalidValue, "must be a number above 0, found \(value.excerpt)")
            return 1
        }
        return number
    }

    mutating func flag(_ key: String, fallback: Bool = false) -> Bool {
        guard let value = value(key) else { return fallback }
        guard case .boolean(let flag) = value else {
            refuse(key, .invalidValue, "must be true or false, found \(value.excerpt)")
            return fallback
        }
        return flag
    }

    mutating func string(_ key: String) -> String? {
        guard let value = value(key) else { return nil }
        if value.string == nil {
            refuse(key, .invalidValue, "must be a string, found \(value.excerpt)")
        }
        return value.string
    }

    mutating func nested(_ key: String) -> KeyReader? {
        guard let value = value(key) else { return nil }
        guard case .object(let object) = value else {
            refuse(key, .invalidValue, "must be an object, found \(value.excerpt)")
            return nil
        }
        return KeyReader(object, prefix: "\(prefix)\(key).")
    }

    /// Refuses each key that was neither read nor `ignored`, unless its value is inactive.
    ///
    /// Failing closed: a key of a newer version may change the numbers, and its default is taken
    /// to be null, false, zero or empty. `reasons` explains the known ones.
    mutating func refuseOthers(
        ignored: Set<String>, reasons: [String: String], code: ModelLoadingError.Code
    ) {
        for member in object.members {
            let (key, value) = (member.name, member.value)
            guard !readKeys.contains(key), !ignored.contains(key), !value.isInactive else {
                continue
            }
            let reason =
                reasons[key]
                ?? "this key is not known, and with the value \(value.excerpt) it may change the "
                + "result; remove it if it does not"
            refuse(key, code, reason)
        }
    }
}
