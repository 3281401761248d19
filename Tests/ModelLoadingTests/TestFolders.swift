// SPDX-License-Identifier: Apache-2.0

import Foundation
import StrictJSON
import TestSupport

@testable import ModelLoading

extension Repository {
    static let goldens = ["llama-tied-bf16", "qwen2-bias-tied"]

    static func golden(_ family: String) -> String { path(of: "Tests/Goldens/\(family)") }
}

/// A folder that is removed with the value.
struct TemporaryFolder: ~Copyable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory
            .appendingPathComponent("model-loading-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }
}

/// A JSON object with raw JSON values, so that tests can say exactly what stands in a file.
struct RawObject {
    var members: [(key: String, value: String)]

    init(_ members: KeyValuePairs<String, String>) {
        self.members = members.map { ($0.key, $0.value) }
    }

    /// Sets a member, or removes it when `value` is nil.
    subscript(key: String) -> String? {
        get { members.first { $0.key == key }?.value }
        set {
            let index = members.firstIndex { $0.key == key }
            switch (index, newValue) {
            case (let index?, let value?): members[index].value = value
            case (let index?, nil): members.remove(at: index)
            case (nil, let value?): members.append((key, value))
            case (nil, nil): break
            }
        }
    }

    func with(_ key: String, _ value: String?) -> RawObject {
        var copy = self
        copy[key] = value
        return copy
    }

    var text: String {
        "{" + members.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ",\n") + "}"
    }
}

/// Parses a JSON text, which must be an object.
func parseObject(_ text: String) throws -> JSONObject {
    guard case .object(let object) = try JSONValue(parsing: Array(text.utf8)) else {
        throw ModelLoadingError(.malformedJSON, "not an object")
    }
    return object
}

/// The error that `body` throws, if it is one of this module's.
func loadingError(_ body: () throws -> Void) -> ModelLoadingError? {
    do {
        try body()
        return nil
    } catch {
        return error as? ModelLoadingError
    }
}
