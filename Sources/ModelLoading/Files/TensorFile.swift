// SPDX-License-Identifier: Apache-2.0

/// A `.safetensors` file of small tensors, read whole.
package struct TensorFile: Sendable {
    /// Above this a file is no gate and no checkpoint.
    package static let limitBytes = 1 << 30

    /// Converted to `Float`, in the order of their bytes.
    package let tensors: [NamedTensor]
    /// What the writer noted.
    package let metadata: [String: String]

    /// Reads a file.
    ///
    /// - Throws: `notFound`, `malformedTensors`, `wrongType`, `notFinite` and `tooLarge`.
    package init(path: String) throws(ModelLoadingError) {
        let file = try SafetensorsFile.opened(path: path, limit: Self.limitBytes)
        var tensors: [NamedTensor] = []
        for entry in file.header.entries {
            let view = try file.view(entry)
            let values = view.floats()
            guard values.allSatisfy(\.isFinite) else {
                throw ModelLoadingError(
                    .notFinite, "holds an infinity or a NaN", path: path, key: entry.name)
            }
            tensors.append(NamedTensor(entry.name, view.shape, values))
        }
        self.tensors = tensors
        metadata = file.header.metadata
    }

    /// The tensor of a name.
    package subscript(name: String) -> NamedTensor? { tensors.first { $0.name == name } }
}
