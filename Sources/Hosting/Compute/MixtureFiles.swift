// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading
internal import PolicyKit
internal import StrictJSON

/// What gates are made from: the files of the gate's folder, and the experts.
nonisolated struct MixtureFiles: MixtureSources {
    let folder: String?
    let experts: [AdapterWeights]

    func json(_ file: String) throws(PolicyError) -> FileValue? {
        guard let folder else { return nil }
        return try reading { () throws(ModelLoadingError) in
            try LooseFile.json(path: "\(folder)/\(file)")
        }.map(FileValue.init)
    }

    func tensors(_ file: String) throws(PolicyError) -> [String: GateTensor]? {
        guard let folder else { return nil }
        return try tensors(at: "\(folder)/\(file)")
    }

    func tensors(
        _ file: String, ofExpert expert: Int
    ) throws(PolicyError) -> [String: GateTensor]? {
        guard experts.indices.contains(expert), let folder = experts[expert].path else {
            return nil
        }
        return try tensors(at: "\(folder)/\(file)")
    }

    func factors(
        ofExpert expert: Int, at place: MatrixPlace
    ) throws(PolicyError) -> (down: GateTensor, up: GateTensor, scale: Float)? {
        guard experts.indices.contains(expert), let linear = LinearKind(place.matrix),
            let factors = experts[expert].sites[AdapterSite(layer: place.layer, linear: linear)]
        else { return nil }
        let (down, up) = try reading { () throws(ModelLoadingError) in
            (try factors.a.floats(), try factors.b.floats())
        }
        return (
            GateTensor(shape: factors.a.shape, values: down),
            GateTensor(shape: factors.b.shape, values: up), factors.scale
        )
    }

    private func tensors(at path: String) throws(PolicyError) -> [String: GateTensor]? {
        let tensors = try reading { () throws(ModelLoadingError) in
            try LooseFile.tensors(path: path)
        }
        guard let tensors else { return nil }
        var named: [String: GateTensor] = [:]
        for tensor in tensors {
            named[tensor.name] = GateTensor(shape: tensor.shape, values: tensor.values)
        }
        return named
    }

    private func reading<Value>(
        _ body: () throws(ModelLoadingError) -> Value
    ) throws(PolicyError) -> Value {
        do throws(ModelLoadingError) {
            return try body()
        } catch {
            throw PolicyError(error.description)
        }
    }
}

nonisolated extension FileValue {
    fileprivate init(_ json: JSONValue) {
        switch json {
        case .null: self = .null
        case .boolean(let flag): self = .boolean(flag)
        case .integer(let integer): self = .number(Double(integer))
        case .number(let number): self = .number(number)
        case .string(let text): self = .string(text)
        case .array(let items): self = .array(items.map { FileValue($0) })
        case .object(let object):
            var members: [String: FileValue] = [:]
            for member in object.members { members[member.name] = FileValue(member.value) }
            self = .object(members)
        }
    }
}

nonisolated extension LinearKind {
    fileprivate init?(_ matrix: ModelMatrix) { self.init(rawValue: matrix.rawValue) }
}
