/// How many random cases of fast kernels are held against their naive twins in Reference, each with
/// its own shape, values, layout and place in memory: issue 3 asks for 10,000 in all.
public enum RandomCases {
  public static let matmul = 2500
  public static let convolution = 1000
  public static let pooledConvolution = 200
  public static let elementwise = 2500
  public static let columnSums = 1500
  public static let softmaxCrossEntropy = 1200
  public static let softmaxCrossEntropyBackward = 1000
  public static let optimizers = 500

  public static let total =
    matmul + convolution + 2 * pooledConvolution + elementwise + columnSums + softmaxCrossEntropy
    + softmaxCrossEntropyBackward + optimizers
}
