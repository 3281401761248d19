// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// JSON files beside the weights.
enum JSONFile {
    /// Far above any published configuration; shard indices of the largest models are a megabyte.
    private static let limits = JSONLimits(byteCount: 16 << 20)

    /// The object that a file holds.
    static func object(path: String) throws(ModelLoadingError) -> JSONObject {
        let contents = try CopiedBytes(try OpenedFile(path: path), limit: limits.byteCount)
        let value: JSONValue
        do {
            value = try withExtendedLifetime(contents) { () throws(ModelLoadingError) in
                try parse(contents.bytes, limits: limits)
            }
        } catch {
            throw error.at(path: path)
        }
        guard case .object(let object) = value else {
            throw ModelLoadingError(
                .malformedJSON, "expected an object, found \(value.kind)", path: path)
        }
        return object
    }

    /// The value that fills the whole of `bytes`; errors carry no path.
    static func parse(
        _ bytes: UnsafeRawBufferPointer, limits: JSONLimits
    ) throws(ModelLoadingError) -> JSONValue {
        do {
            return try JSONValue(parsing: bytes, limits: limits)
        } catch {
            throw ModelLoadingError(.malformedJSON, "not valid JSON: \(error.description)")
        }
    }
}
