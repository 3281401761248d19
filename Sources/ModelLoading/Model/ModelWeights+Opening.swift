// SPDX-License-Identifier: Apache-2.0

internal import Foundation
import StrictJSON

extension ModelWeights {
    /// Reads and checks a folder in the layout of the Hugging Face hub: `config.json`,
    /// `model.safetensors` or its shards, and optionally `generation_config.json`.
    ///
    /// The weights are mapped, not read. Every tensor that the configuration calls for is there
    /// with its shape and a readable type, and no other tensor that would matter.
    package static func open(folder: String) throws(ModelLoadingError) -> ModelWeights {
        let configuration = try ModelConfiguration.open(folder: folder)
        let files = try ModelFiles.open(folder: folder)
        let name = URL(fileURLWithPath: folder).standardizedFileURL.lastPathComponent
        let tensors = try files.tensors(for: ModelTensorLayout(configuration: configuration))
        do {
            return try ModelWeights(
                configuration: configuration, folder: folder, name: name,
                files: files.files.map(\.identity), tensors: tensors)
        } catch {
            throw error.at(path: folder)
        }
    }
}

/// The weight files of a model: one, or the shards that an index lists.
struct ModelFiles {
    private static let singleName = "model.safetensors"
    private static let indexName = "model.safetensors.index.json"
    private static let maximumShards = 1024

    let folder: String
    let files: [SafetensorsFile]

    static func open(folder: String) throws(ModelLoadingError) -> ModelFiles {
        do {
            let file = try SafetensorsFile.mapped(path: "\(folder)/\(singleName)")
            return ModelFiles(folder: folder, files: [file])
        } catch  where error.code == .notFound {
            return try openShards(folder: folder)
        }
    }

    private static func openShards(folder: String) throws(ModelLoadingError) -> ModelFiles {
        let path = "\(folder)/\(indexName)"
        let index: JSONObject
        do {
            index = try JSONFile.object(path: path)
        } catch  where error.code == .notFound {
            throw ModelLoadingError(
                .notFound,
                "the folder holds neither \(singleName) nor \(indexName); "
                    + "convert other formats (.bin, .gguf) to safetensors", path: folder)
        }
        guard case .object(let map) = index["weight_map"] else {
            throw ModelLoadingError(
                .invalidValue, "must map tensor names to file names", path: path, key: "weight_map")
        }
        var wanted: [String: Set<String>] = [:]
        for member in map.members {
            let tensor = member.name
            guard let file = member.value.string, isPlainFileName(file) else {
                throw ModelLoadingError(
                    .invalidValue, "must name a .safetensors file in the same folder", path: path,
                    key: "weight_map.\(tensor)")
            }
            wanted[file, default: []].insert(tensor)
        }
        guard wanted.count <= maximumShards else {
            throw ModelLoadingError(
                .tooLarge, "\(wanted.count) shards are over the limit of \(maximumShards)",
                path: path)
        }
        var files: [SafetensorsFile] = []
        for name in wanted.keys.sorted() {
            let file = try SafetensorsFile.mapped(path: "\(folder)/\(name)")
            try check(file, holds: wanted[name] ?? [], index: path)
            files.append(file)
        }
        return ModelFiles(folder: folder, files: files)
    }

    private static func isPlainFileName(_ name: String) -> Bool {
        name.hasSuffix(".safetensors") && !name.contains("/") && !name.contains("\0")
    }

    /// The index and the shard's own table must agree in both directions.
    private static func check(
        _ file: SafetensorsFile, holds names: Set<String>, index: String
    ) throws(ModelLoadingError) {
        let found = Set(file.header.entries.map(\.name))
        if let name = names.subtracting(found).min() {
            throw ModelLoadingError(
                .missingTensor, "\(index) places this tensor here, but the file does not hold it",
                path: file.path, key: name)
        }
        if let name = found.subtracting(names).min() {
            throw ModelLoadingError(
                .unexpectedTensor, "\(index) does not list this tensor", path: file.path, key: name)
        }
    }

    /// The tensors of a layout by name, after every check of shapes, types and leftovers.
    func tensors(
        for layout: ModelTensorLayout
    ) throws(ModelLoadingError) -> [String: TensorView] {
        let shapes = Dictionary(
            layout.entries.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
        var tensors: [String: TensorView] = [:]
        var others: [(SafetensorsFile, SafetensorsHeader.Entry)] = []
        for file in files {
            for entry in file.header.entries {
                guard let shape = shapes[entry.name] else {
                    others.append((file, entry))
                    continue
                }
                guard entry.shape == shape else {
                    throw ModelLoadingError(
                        .wrongShape, "has shape \(entry.shape), config.json calls for \(shape)",
                        path: file.path, key: entry.name)
                }
                tensors[entry.name] = try file.view(entry)
            }
        }
        if let missing = layout.entries.first(where: { tensors[$0.name] == nil }) {
            throw layout.missing(missing).at(path: folder)
        }
        for (file, entry) in others {
            try checkLeftover(entry, in: file, layout: layout, tensors: tensors)
        }
        return tensors
    }

    private func checkLeftover(
        _ entry: SafetensorsHeader.Entry, in file: SafetensorsFile, layout: ModelTensorLayout,
        tensors: [String: TensorView]
    ) throws(ModelLoadingError) {
        // Old checkpoints store what follows from rope_theta.
        if entry.name.hasSuffix(".rotary_emb.inv_freq") { return }
        if entry.name == layout.outputHead.name, let embedding = tensors[layout.embedding.name] {
            guard entry.shape == embedding.shape, try file.view(entry).hasSameBytes(as: embedding)
            else {
                throw ModelLoadingError(
                    .unexpectedTensor,
                    "tie_word_embeddings is true, but this tensor differs from the embedding; "
                        + "set it to false if the model has a head of its own",
                    path: file.path, key: entry.name)
            }
            return
        }
        throw ModelLoadingError(
            .unexpectedTensor,
            "config.json does not call for this tensor, so it would be ignored", path: file.path,
            key: entry.name)
    }
}

extension TensorView {
    /// Whether two tensors have the same type and bit for bit the same elements.
    func hasSameBytes(as other: TensorView) -> Bool {
        guard type == other.type, byteCount == other.byteCount else { return false }
        return withUnsafeBytes { left in
            other.withUnsafeBytes { right in
                guard let first = left.baseAddress, let second = right.baseAddress else {
                    return true
                }
                return memcmp(first, second, left.count) == 0
            }
        }
    }
}
