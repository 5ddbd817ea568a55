extension BuiltInRecipe {
  /// Sequences of digits turned round (Sutskever, Vinyals and Le, 2014).
  static let reverseSeq2Seq = BuiltInRecipe(
    name: "reverse-seq2seq", model: "GRU 11-64-10, twice", seconds: 8.0,
    yaml: """
      name: reverse-seq2seq
      expect: 93 % of the reversed test symbols, told the ones before
      data: {dataset: reverse}
      model: {architecture: Seq2Seq, cell: GRU, symbols: 10, hidden_size: 64}
      loss: cross-entropy
      optimizer: {kind: adam, lr: 0.005}
      batch_size: 50
      epochs: 20
      """)
}
