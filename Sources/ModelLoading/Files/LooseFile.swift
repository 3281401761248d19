// SPDX-License-Identifier: Apache-2.0

package import StrictJSON

/// Files that lie beside weights and may be missing, as those of gates.
package enum LooseFile {
    /// The value that a JSON file holds; `nil` where there is no such file.
    ///
    /// - Throws: `unreadable`, `tooLarge` and `malformedJSON`.
    package static func json(path: String) throws(ModelLoadingError) -> JSONValue? {
        try present { () throws(ModelLoadingError) in
            .object(try JSONFile.object(path: path))
        }
    }

    /// Above this a file of tensors is none that lies beside weights.
    private static let limitBytes = 1 << 30

    /// All tensors of a `.safetensors` file, converted to `Float`; `nil` where there is no such file.
    ///
    /// - Throws: `malformedTensors`, `wrongType`, `notFinite`, `tooLarge` and `unreadable`.
    package static func tensors(
        path: String
    ) throws(ModelLoadingError) -> [(name: String, shape: [Int], values: [Float])]? {
        let file = try present { () throws(ModelLoadingError) in
            try SafetensorsFile.opened(path: path, limit: limitBytes)
        }
        guard let file else { return nil }
        var tensors: [(name: String, shape: [Int], values: [Float])] = []
        for entry in file.header.entries {
            let view = try file.view(entry)
            let values = view.floats()
            guard values.allSatisfy(\.isFinite) else {
                throw ModelLoadingError(
                    .notFinite, "holds an infinity or a NaN", path: path, key: entry.name)
            }
            tensors.append((entry.name, view.shape, values))
        }
        return tensors
    }

    private static func present<Value>(
        _ body: () throws(ModelLoadingError) -> Value
    ) throws(ModelLoadingError) -> Value? {
        do throws(ModelLoadingError) {
            return try body()
        } catch {
            if error.code == .notFound { return nil }
            throw error
        }
    }
}
