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

    /// All tensors of a `.safetensors` file, converted to `Float`; `nil` where there is no such file.
    ///
    /// - Throws: as ``TensorFile``.
    package static func tensors(path: String) throws(ModelLoadingError) -> [NamedTensor]? {
        try present { () throws(ModelLoadingError) in try TensorFile(path: path).tensors }
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
